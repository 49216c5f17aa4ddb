{{/*
An object of the manifests, from its file, as it is in this release: its namespace, and
the labels that kustomize gives it besides Helm's own. dict "root" $ "file" "base/x.yaml"
*/}}
{{- define "flowpub.object" -}}
{{- $object := .root.Files.Get .file | fromYaml -}}
{{- if not $object.kind }}{{ fail (printf "%s cannot be read: %v" .file $object) }}{{ end -}}
{{- $_ := set $object.metadata "namespace" .root.Release.Namespace -}}
{{- $_ := set $object.metadata "labels" (merge (include "flowpub.labels" .root | fromYaml) (default dict $object.metadata.labels)) -}}
{{- toYaml $object -}}
{{- end -}}

{{- define "flowpub.labels" -}}
app.kubernetes.io/part-of: flowpub
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) | quote }}
{{- end -}}

{{/* The image, by its digest where one is given. */}}
{{- define "flowpub.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end -}}

{{/* The settings: those of the base, of the component tls-sasl, and values over them. */}}
{{- define "flowpub.config" -}}
{{- $files := list "base/config.env" -}}
{{- if .Values.kafkaSecrets.enabled }}{{ $files = append $files "tls-sasl/kafka.env" }}{{ end -}}
{{- $config := dict -}}
{{- range $file := $files -}}
{{- range $line := $.Files.Lines $file -}}
{{- if and $line (not (hasPrefix "#" $line)) -}}
{{- $pair := splitn "=" 2 $line -}}
{{- $_ := set $config $pair._0 $pair._1 -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.config }}{{ $_ := set $config $name (toString $value) }}{{ end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The container's environment and files, which the test has, too. */}}
{{- define "flowpub.container" -}}
{{- $container := .container -}}
{{- $_ := set $container "image" (include "flowpub.image" .root) -}}
{{- $_ := set $container "imagePullPolicy" .root.Values.image.pullPolicy -}}
{{- with .root.Values.resources }}{{ $_ := set $container "resources" . }}{{ end -}}
{{- with .root.Values.extraEnv }}{{ $_ := set $container "env" . }}{{ end -}}
{{- $mounts := list -}}
{{- if .root.Values.kafkaSecrets.enabled -}}
{{- $patch := .root.Files.Get "tls-sasl/secrets.yaml" | fromYaml -}}
{{- $mounts = concat $mounts (index $patch.spec.template.spec.containers 0).volumeMounts -}}
{{- end -}}
{{- with concat $mounts .root.Values.extraVolumeMounts }}{{ $_ := set $container "volumeMounts" . }}{{ end -}}
{{- toYaml $container -}}
{{- end -}}

{{- define "flowpub.volumes" -}}
{{- $volumes := list -}}
{{- if .Values.kafkaSecrets.enabled -}}
{{- $patch := .Files.Get "tls-sasl/secrets.yaml" | fromYaml -}}
{{- $names := dict "kafka-ca" .Values.kafkaSecrets.ca "kafka-user" .Values.kafkaSecrets.user -}}
{{- range $volume := $patch.spec.template.spec.volumes -}}
{{- $_ := set $volume.secret "secretName" (get $names $volume.name) -}}
{{- $volumes = append $volumes $volume -}}
{{- end -}}
{{- end -}}
{{- concat $volumes .Values.extraVolumes | toYaml -}}
{{- end -}}
