#!/usr/bin/env bash
# Disturbs collectors under load, and counts in Kafka, by identity, what became of each
# flow that was sent. It ends with status 1 when one is lost that must not be, or is
# there twice, or bears another address than its exporter's.
#
#   delivery.sh CASE...
#
#     steady    nothing happens
#     secured   nothing happens, over TLS and with a password
#     rollout   every pod of three is replaced
#     scale     2 pods, then 4, over which exporters are spread anew as the runbook of
#               FlowpubExportersSkewed does, then 2: pods go that have exporters
#     drain     a node is drained
#     delete    a pod is deleted
#     kill      a pod's process is killed: what it held, and what came until it was
#               found out, is lost, LOST_BY_KILL flows at most
#     outage    Kafka is away from REPLICAS pods for OUTAGE seconds: what does not fit into
#               the buffers is lost, and counted
#     host      overlays/hostnetwork: addresses there; then each pod is replaced, which
#               loses flows by design, LOST_BY_HOST at most
#
# Exporters speak FORMAT, and repeat templates every TEMPLATES: with 10m, the default, a pod
# that takes over an exporter sees none in time. TEMPLATE_TOPIC= takes the store away, to see
# what is lost without it: say how many may be by LOST.
#
# Variables: KUBECTL, EXPORTERS, TARGET, KAFKA_BROKERS, KAFKA_SHELL and, for some cases,
# KAFKA_STOP, KAFKA_START, KAFKA_SECURED, KAFKA_CA_FILE, KAFKA_PASSWORD_FILE, NODE_SHELL;
# LOADBALANCER, IMAGE, RATE, RECORDS, FORMAT, TEMPLATES, TEMPLATE_TOPIC, LOST, OUTAGE, REPLICAS;
# see README.md.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rate=${RATE:-1000}
IFS=, read -ra formats <<<"${FORMAT:-v5}"
# Templates are larger than version 5, and datagrams are not to be fragmented.
records=${RECORDS:-$([[ ${FORMAT:-v5} == v5 ]] && echo 30 || echo 20)}
templates=${TEMPLATES:-10m}
outage_seconds=${OUTAGE:-180}

# --- The load -----------------------------------------------------------------

# balance starts the stand-in for a load balancer, if there is to be one.
balance() {
  [[ -n ${LOADBALANCER:-} && -z ${balancer:-} ]] || return 0
  : >"$work/balancer"
  # shellcheck disable=SC2086
  $LOADBALANCER >>"$work/balancer" 2>&1 &
  balancer=$!
  jobs_started+=("$balancer")
  until_true 30 grep -q 'load balancer:' "$work/balancer" || fail "$LOADBALANCER: $(cat "$work/balancer")"
}

# load starts the exporters, which send for so long.
load() { # SECONDS [TARGET]
  local exporter format
  (($# > 1)) || balance
  restarts >"$work/restarts"
  say "$(exporter_count) exporters of ${formats[*]} send $rate datagrams/s of $records flows each, for $1 s"
  senders=()
  for ((exporter = 1; exporter <= $(exporter_count); exporter++)); do
    format=${formats[exporter % ${#formats[@]}]}
    # Not on_exporter: the process to end would be a shell around it.
    # shellcheck disable=SC2046
    $(exporter_shell "$exporter") "$flows" send -target "${2:-$TARGET}" -format "$format" -templates "$templates" -rate "$rate" -records "$records" \
      -duration "${1}s" >"$work/report.$exporter" &
    senders+=($!)
    jobs_started+=($!)
  done
}

# disturbed fails when the exporters ended before the disturbance did.
disturbed() { # WHAT
  local sender
  for sender in "${senders[@]}"; do
    kill -0 "$sender" 2>/dev/null || fail "$running: an exporter ended too early: $1"
  done
  say "$1"
}

await_exporters() {
  local sender
  for sender in "${senders[@]}"; do wait "$sender" || fail 'an exporter could not send'; done
  say 'the exporters have ended'
}

# sent_in is how many flows all exporters send in so long.
sent_in() { # MILLISECONDS
  echo $((rate * records * $(exporter_count) * $1 / 1000))
}

# check waits for the exporters and counts. LOST, of the environment, has the last word.
check() { # LOST
  await_exporters
  count "${LOST:-$1}"
}

# count looks in Kafka for what the exporters have sent.
count() { # LOST
  on_kafka "$flows" count -brokers "$KAFKA_BROKERS" -topic "$topic" -lost "$1" "$work"/report.* ||
    fail "$running: the flows in Kafka are not those that were to be there"
}

# check_restarts fails when containers were started again more or less often than they
# were to be since the load began. Pods that are gone do not count.
check_restarts() { # COUNT
  local count
  count=$(awk 'NR == FNR { before[$1] = $2; next } { sum += $2 - before[$1] } END { print sum + 0 }' \
    "$work/restarts" <(restarts))
  ((count == $1)) || fail "$running: containers were restarted $count times, $1 were to be"
}

# --- The cases ----------------------------------------------------------------

steady() {
  install 3
  load 20
  check 0
  check_restarts 0
}

secured() {
  need KAFKA_SECURED KAFKA_CA_FILE KAFKA_PASSWORD_FILE
  install_secured 3
  load 20
  check 0
  check_restarts 0
}

rollout() {
  install 3
  load 75
  sleep 5
  k rollout restart deployment/flowpub >/dev/null
  await_collectors 3
  disturbed 'every pod was replaced'
  check 0
  check_restarts 0
}

# received prints each pod, and how many datagrams it has received.
received() {
  local pod
  for pod in $(collectors); do
    metrics "$pod" | awk -v pod="$pod" '$1 == "flowpub_datagrams_received_total" { printf "%s %.0f\n", pod, $2 }'
  done
}

# loaded are the pods that receive datagrams now.
loaded() {
  received >"$work/received"
  sleep 2
  received | awk 'NR == FNR { before[$1] = $2; next } $2 > before[$1] { print $1 }' "$work/received" -
}

affinity() { # PATCH
  k patch service flowpub -p "{\"spec\":$1}" >/dev/null
  # Nothing tells when all nodes have seen it.
  sleep 5
}

# spread_anew is what the runbook of FlowpubExportersSkewed does.
spread_anew() {
  local node
  affinity '{"sessionAffinity":"None","sessionAffinityConfig":null}'
  affinity '{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86400}}}'
  for node in $(kubectl get nodes -o 'jsonpath={.items[*].metadata.name}'); do
    on_node "$node" conntrack -D -p udp --orig-port-dst "${TARGET##*:}" >/dev/null 2>&1 || true # none there
  done
  say "exporters were spread anew: $(loaded | wc -l) pods have some"
}

# three_loaded spreads until so many of four pods have exporters: then one of the two
# that go has some.
three_loaded() {
  (($(loaded | wc -l) >= 3)) || spread_anew
  (($(loaded | wc -l) >= 3))
}

scale() {
  need NODE_SHELL
  install 2
  load 120
  sleep 5
  k scale deployment/flowpub --replicas=4 >/dev/null
  await_collectors 4
  disturbed '4 pods are ready'
  spread_anew
  until_true 40 three_loaded || fail "$running: of four pods only $(loaded | wc -l) have exporters: give it more of them"
  loaded >"$work/loaded"
  k scale deployment/flowpub --replicas=2 >/dev/null
  await_collectors 2
  disturbed "2 pods are left; $(grep -vcFf <(collectors) "$work/loaded") of those that went had exporters"
  check 0
  check_restarts 0
}

drain() {
  local node
  install 3
  node=$(k get pod "$(collectors | sed -n 1p)" -o jsonpath='{.spec.nodeName}')
  load 100
  sleep 5
  at_the_end+=("kubectl uncordon $node")
  kubectl drain "$node" --ignore-daemonsets --delete-emptydir-data --timeout="${seconds_to_be_ready}s" >"$work/drain" 2>&1 ||
    fail "$(cat "$work/drain")"
  disturbed "node $node is drained"
  kubectl uncordon "$node" >/dev/null
  await_collectors 3
  check 0
  check_restarts 0
}

delete() {
  install 3
  load 50
  sleep 5
  k delete pod "$(collectors | sed -n 1p)" --wait=false >/dev/null
  await_collectors 3
  disturbed 'a pod was deleted, and another is ready'
  check 0
  check_restarts 0
}

# busiest is the pod that has decoded most.
busiest() {
  local pod
  for pod in $(collectors); do
    metrics "$pod" | awk -v pod="$pod" '$1 == "flowpub_flows_decoded_total" { print $2, pod }'
  done | sort -g | tail -n 1 | cut -d' ' -f2
}

kill_process() { # POD
  local node container
  node=$(k get pod "$1" -o jsonpath='{.spec.nodeName}')
  container=$(k get pod "$1" -o jsonpath='{.status.containerStatuses[0].containerID}')
  on_node "$node" ctr -n k8s.io tasks kill -s SIGKILL "${container#*://}"
}

killed() {
  local pod
  need NODE_SHELL
  install 3
  load 30
  sleep 5
  pod=$(busiest)
  kill_process "$pod"
  disturbed "pod $pod was killed"
  check "1..${LOST_BY_KILL:-$(sent_in 1500)}"
  check_restarts 1
}

nothing_buffered() { (($(total flowpub_flows_buffered) == 0)); }

outage() {
  local ready before full dropped
  need KAFKA_STOP KAFKA_START
  install "${REPLICAS:-3}"
  ready=$(ready_since)
  before=$(total flowpub_flows_dropped_total)
  full=$(total flowpub_flows_dropped_total buffer_full)
  load $((outage_seconds + 40))
  sleep 10
  on_kafka bash -c "$KAFKA_STOP"
  say 'Kafka is away'
  sleep "$outage_seconds"
  say "flows buffered: $(total flowpub_flows_buffered), in $(total flowpub_buffer_bytes) of $(total flowpub_buffer_limit_bytes) bytes; most memory of a pod: $(most_memory) MiB"
  on_kafka bash -c "$KAFKA_START"
  disturbed 'Kafka is back'
  await_exporters
  until_true 120 nothing_buffered || fail "$running: $(total flowpub_flows_buffered) flows are still buffered"
  dropped=$(($(total flowpub_flows_dropped_total) - before))
  full=$(($(total flowpub_flows_dropped_total buffer_full) - full))
  say "counted as dropped, the buffer being full: $full, for other reasons: $((dropped - full))"
  say "datagrams dropped by kernels: $(total flowpub_datagrams_kernel_dropped_total)"
  count "$dropped"
  check_restarts 0
  [[ $(ready_since) == "$ready" ]] || fail "$running: pods are not ready as before: $(ready_since)"
  say "$ready"
}

# most_memory is the largest resident size of a collector, in MiB.
most_memory() {
  local pod
  for pod in $(collectors); do
    metrics "$pod" | awk '$1 == "process_resident_memory_bytes" { printf "%.0f\n", $2 / 1048576 }'
  done | sort -n | tail -n 1
}

# host_overlay needs no Secrets.
host_overlay() {
  render "$kubernetes/overlays/hostnetwork" replace "$KAFKA_BROKERS" <<'YAML'
  - target: {kind: DaemonSet, name: flowpub}
    patch: |-
      - {op: remove, path: /spec/template/spec/volumes}
      - {op: remove, path: /spec/template/spec/containers/0/volumeMounts}
YAML
}

host() {
  local node
  uninstall
  node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
  at_the_end+=("kubectl label node $node flowpub.io/collector-")
  kubectl label node "$node" flowpub.io/collector=true >/dev/null
  host_overlay | kubectl apply -f - >/dev/null
  await_rollout daemonset
  node=$(kubectl get node "$node" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'):${TARGET##*:}
  load 15 "$node"
  check 0
  load 45 "$node"
  sleep 5
  k rollout restart daemonset/flowpub >/dev/null
  await_rollout daemonset
  disturbed 'its pod was replaced'
  check "1..${LOST_BY_HOST:-$(sent_in 5000)}"
  check_restarts 0
  uninstall
}

main() {
  need EXPORTERS TARGET KAFKA_BROKERS
  (($# > 0)) || { sed -n '2,/^\. /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2; }
  build_flows
  for running in "$@"; do
    case $running in
      steady | secured | rollout | scale | drain | delete | outage | host) run=$running ;;
      kill) run=killed ;;
      *) fail "there is no case $running" ;;
    esac
    say "== $running"
    "$run"
    say "== $running: as it should be"
  done
}

main "$@"
