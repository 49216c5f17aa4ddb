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
{{- range $name, $value := .Values.config -}}
{{- /* Files of values have no whole numbers: 1000000 would become 1e+06. */ -}}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{ $value = int64 $value }}{{ end -}}
{{- $_ := set $config $name (toString $value) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Refuses values with which flows would be lost, and nobody told. */}}
{{- define "flowpub.check" -}}
{{- $config := include "flowpub.config" . | fromYaml -}}
{{- $needed := add .Values.preStopSeconds 5 -}}
{{- range list "FLOWPUB_DRAIN_LINGER" "FLOWPUB_SHUTDOWN_TIMEOUT" -}}
{{- $needed = add $needed (include "flowpub.seconds" (get $config .) | int) -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $needed) -}}
{{- fail (printf "terminationGracePeriodSeconds is %v: pods would be killed before their flows are in Kafka; preStopSeconds, FLOWPUB_DRAIN_LINGER, FLOWPUB_SHUTDOWN_TIMEOUT and 5 s come to %v" .Values.terminationGracePeriodSeconds $needed) -}}
{{- end -}}
{{- if and (hasKey $config "FLOWPUB_LISTEN") (not .Values.service.spec.ports) (not (regexMatch ":2055 *(,|$)" $config.FLOWPUB_LISTEN)) -}}
{{- fail (printf "config.FLOWPUB_LISTEN is %s: the Service sends to port 2055 of the pods; leave it out, service.port is where exporters send to, or give service.spec.ports, too" $config.FLOWPUB_LISTEN) -}}
{{- end -}}
{{- end -}}

{{/* The whole seconds of a duration as flowpub reads it, such as 1m30s. */}}
{{- define "flowpub.seconds" -}}
{{- $units := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 "us" 0.0 "ns" 0.0 -}}
{{- $all := 0.0 -}}
{{- range regexFindAll "[0-9.]+(h|ms|us|ns|m|s)" . -1 -}}
{{- $all = addf $all (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- ceil $all | int -}}
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
