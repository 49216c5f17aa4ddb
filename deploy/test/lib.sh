# What the scripts here have in common. README.md says what the variables are.
# shellcheck shell=bash
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kubernetes=$here/../kubernetes
namespace=flowpub
image=${IMAGE:-localhost/flowpub:test}
topic=${TOPIC:-flows}
# seconds_to_be_ready is long, since images may have to be fetched.
seconds_to_be_ready=180

work=$(mktemp -d "$here/.work.XXXXXX")
jobs_started=()
at_the_end=()
trap tidy EXIT

# tidy undoes what was done here, however it ends, and ends what was started.
tidy() {
  local command pid
  trap '' INT TERM
  for command in ${at_the_end[@]+"${at_the_end[@]}"}; do $command >/dev/null || true; done
  for pid in ${jobs_started[@]+"${jobs_started[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}

say() { printf '%s %s\n' "$(date +%T)" "$*"; }

fail() {
  say "FAILED: $*" >&2
  exit 1
}

need() { # VARIABLE...
  local name
  for name in "$@"; do
    [[ -n ${!name:-} ]] || fail "$name is not set; README.md says what it is"
  done
}

# The variables that hold commands are split at spaces.
# shellcheck disable=SC2086
{
  kubectl() { ${KUBECTL:-kubectl} "$@"; }
  on_kafka() { ${KAFKA_SHELL:-} "$@"; }
  on_node() { ${NODE_SHELL:?} "$@"; }
}
k() { kubectl -n "$namespace" "$@"; }

# EXPORTERS holds how to run a command on each of the machines that send.
exporter_count() { tr ';' '\n' <<<"$EXPORTERS" | wc -l; }
exporter_shell() { tr ';' '\n' <<<"$EXPORTERS" | sed -n "$1p"; } # NUMBER
# shellcheck disable=SC2046
on_exporter() { $(exporter_shell "$1") "${@:2}"; } # NUMBER COMMAND...

# until_true waits for a command to succeed.
until_true() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.5
  done
}

build_flows() {
  flows=${FLOWS:-$work/flows}
  [[ -x $flows ]] || (cd "$here" && CGO_ENABLED=0 go build -o "$flows" ./flows)
}

# --- The collectors -----------------------------------------------------------

of_collectors() { # TEMPLATE
  k get pods -l app.kubernetes.io/name=flowpub,app.kubernetes.io/component=collector \
    -o "go-template={{range .items}}$1{{end}}"
}

# collectors are the names of the pods that are not about to end; ending are the others.
collectors() { of_collectors '{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}'; }
ending() { of_collectors '{{if .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}'; }

# ready_since prints each pod, and since when it is ready or not.
ready_since() {
  # shellcheck disable=SC2016 # kubectl expands it
  of_collectors '{{$pod := .metadata.name}}{{range .status.conditions}}{{if eq .type "Ready"}}{{$pod}} {{.status}} {{.lastTransitionTime}}{{"\n"}}{{end}}{{end}}'
}

all_ended() { [[ -z $(ending) ]]; }

# await_collectors waits until so many pods are ready, and the others are gone.
await_collectors() { # COUNT
  await_rollout deployment
  until_true "$seconds_to_be_ready" all_ended || fail "pods do not end: $(ending)"
  (($(collectors | wc -l) == $1)) || fail "there are other than $1 pods: $(collectors)"
}

await_rollout() { # KIND
  k rollout status "$1/flowpub" "--timeout=${seconds_to_be_ready}s" >"$work/rollout" 2>&1 ||
    fail "flowpub does not become ready: $(cat "$work/rollout")"
}

# metrics prints what a pod measures.
metrics() { # POD
  kubectl get --raw "/api/v1/namespaces/$namespace/pods/$1:8080/proxy/metrics"
}

# total adds a metric up over the labels that a pattern matches, and over the pods.
total() { # NAME [PATTERN]
  local pod
  for pod in $(collectors); do metrics "$pod"; done |
    awk -v name="$1" -v pattern="${2:-.}" \
      '$1 ~ "^" name "([{]|$)" && $1 ~ pattern { sum += $2 } END { printf "%.0f\n", sum }'
}

# restarts prints how often the container of each pod was started again.
restarts() {
  # shellcheck disable=SC2016 # kubectl expands it
  of_collectors '{{$pod := .metadata.name}}{{range .status.containerStatuses}}{{$pod}} {{.restartCount}}{{"\n"}}{{end}}'
}

# relative is the path of a directory as kustomize wants it.
relative() { realpath --relative-to="$work/overlay" "$1"; }

# settings are those of the base, but for what this test has its own for.
settings() { # BROKERS
  local own=(
    "FLOWPUB_KAFKA_BROKERS=$1"
    "FLOWPUB_KAFKA_TOPIC=$topic"
    "FLOWPUB_KAFKA_CREATE_TOPIC=12,1"
    ${TEMPLATE_TOPIC+"FLOWPUB_KAFKA_TEMPLATE_TOPIC=$TEMPLATE_TOPIC"}
  )
  printf '%s\n' "${own[@]}"
  sed '/^#/d' "$kubernetes/base/config.env" | grep -vFf <(printf '%s\n' "${own[@]%%=*}" | sed 's/$/=/')
}

# render prints a kustomization for this test: with this image, with these brokers, and
# with the patches on standard input. Settings that the base does not have stay, or go
# when the behavior is replace.
render() { # DIRECTORY merge|replace BROKERS
  mkdir -p "$work/overlay"
  cat >"$work/overlay/kustomization.yaml" <<YAML
resources: ["$(relative "$1")"]
namespace: $namespace
images: [{name: ghcr.io/flowpub/flowpub, newName: ${image%:*}, newTag: "${image##*:}"}]
configMapGenerator:
  - name: flowpub
    behavior: $2
    literals:
$(settings "$3" | sed 's/^/      - /')
patches:
$(cat)
YAML
  kubectl kustomize "$work/overlay"
}

# patches are for so many replicas, and for brokers anywhere.
patches() { # REPLICAS BROKERS
  cat <<YAML
  - patch: |-
      {\$patch: delete, apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: flowpub}}
  - target: {kind: Deployment, name: flowpub}
    patch: |-
      - {op: add, path: /spec/replicas, value: $1}
  - target: {kind: NetworkPolicy, name: flowpub}
    patch: |-
      - {op: add, path: /spec/egress/-, value: {ports: [{protocol: TCP, port: ${2##*:}}]}}
YAML
}

# install applies the base with so many replicas, and waits until they are ready; where
# HELM is set, the chart.
install() { # REPLICAS
  if [[ -n ${HELM:-} ]]; then
    install_chart "$1"
    return
  fi
  patches "$1" "$KAFKA_BROKERS" | render "$kubernetes/base" replace "$KAFKA_BROKERS" | kubectl apply -f - >/dev/null
  await_collectors "$1"
}

# install_chart does it with Helm, and has the chart's own test run.
install_chart() { # REPLICAS
  kubectl apply -f "$kubernetes/base/namespace.yaml" >/dev/null
  cat >"$work/values.yaml" <<YAML
image: {repository: "${image%:*}", tag: "${image##*:}"}
autoscaling: {enabled: false}
replicas: $1
networkPolicy: {extraEgress: [{ports: [{protocol: TCP, port: ${KAFKA_BROKERS##*:}}]}]}
config:
$(settings "$KAFKA_BROKERS" | sed 's/^\([^=]*\)=\(.*\)/  \1: "\2"/')
YAML
  # shellcheck disable=SC2086 # it may be a command of several words
  $HELM upgrade --install flowpub "$kubernetes/../helm/flowpub" --namespace "$namespace" --take-ownership \
    --values "$work/values.yaml" >"$work/helm" 2>&1 || fail "helm does not install: $(cat "$work/helm")"
  await_collectors "$1"
  # shellcheck disable=SC2086
  $HELM test flowpub --namespace "$namespace" --logs >"$work/helm" 2>&1 || fail "the chart's test fails: $(cat "$work/helm")"
}

# install_secured does it with the component for TLS and a password.
install_secured() { # REPLICAS
  mkdir -p "$work/overlay" "$work/secured"
  cat >"$work/secured/kustomization.yaml" <<YAML
resources: ["$(relative "$kubernetes/base")"]
components: ["$(relative "$kubernetes/components/tls-sasl")"]
YAML
  kubectl apply -f "$kubernetes/base/namespace.yaml" >/dev/null
  secret flowpub-kafka-ca "ca.crt=$KAFKA_CA_FILE"
  secret flowpub-kafka-user "password=$KAFKA_PASSWORD_FILE"
  patches "$1" "$KAFKA_SECURED" | render "$work/secured" merge "$KAFKA_SECURED" | kubectl apply -f - >/dev/null
  await_collectors "$1"
}

# as_released has git find this tree where manifests name a release by its address.
as_released() {
  local tree=$work/released/flowpub.git
  export GIT_CONFIG_GLOBAL=/dev/null # such as one that signs commits
  mkdir -p "$tree/deploy"
  cp -r "$kubernetes" "$tree/deploy/"
  git -C "$tree" init --quiet
  git -C "$tree" add --all
  git -C "$tree" -c user.name=test -c user.email=test@example.com commit --quiet --message release
  grep -rho 'ref=[^ ]*' "$kubernetes/examples" | sort -u | cut -d= -f2 | xargs -n 1 git -C "$tree" tag
  export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=url.file://$work/released/.insteadOf GIT_CONFIG_VALUE_0=https://github.com/flowpub/
}

secret() { # NAME KEY=FILE
  k create secret generic "$1" "--from-file=$2" --dry-run=client -o yaml | k apply -f - >/dev/null
}

# uninstall removes what install has made, but for the namespace.
uninstall() {
  k delete deployment,daemonset,service,horizontalpodautoscaler,poddisruptionbudget,networkpolicy,configmap --all --wait=false >/dev/null
  until_true "$seconds_to_be_ready" all_gone || fail "pods do not end: $(ending)"
}

all_gone() { [[ -z $(collectors) && -z $(ending) ]]; }
