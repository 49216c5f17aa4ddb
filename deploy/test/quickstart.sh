#!/usr/bin/env bash
# Applies overlays/quickstart to a cluster where nothing of it is, waits until flowtail
# prints flows, and compares the counts of the collectors with each other.
#
# For a cluster without DNS, NO_DNS holds two unused addresses of its Services' range with
# a comma in between: they become those of Kafka and flowpub, and the pods' hosts files
# have them.
#
# Variables: KUBECTL, NO_DNS; see README.md. The nodes have, or can fetch, the images that
# the overlay names.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

flows_wanted=10

manifests() {
  if [[ -z ${NO_DNS:-} ]]; then
    kubectl kustomize "$kubernetes/overlays/quickstart"
    return
  fi
  local kafka=${NO_DNS%,*} flowpub=${NO_DNS#*,}
  mkdir -p "$work/overlay"
  {
    echo "resources: ['$(realpath --relative-to="$work/overlay" "$kubernetes/overlays/quickstart")']"
    echo 'patches:'
    for target in Deployment/flowpub Deployment/flowtail Deployment/kafka Deployment/flowgen; do
      cat <<YAML
  - target: {kind: ${target%/*}, name: ${target#*/}}
    patch: |-
      - op: add
        path: /spec/template/spec/hostAliases
        value: [{ip: $kafka, hostnames: [kafka]}, {ip: $flowpub, hostnames: [flowpub]}]
YAML
    done
    for service in "kafka $kafka" "flowpub $flowpub"; do
      echo "  - {target: {kind: Service, name: ${service% *}}, patch: '[{\"op\": \"add\", \"path\": \"/spec/clusterIP\", \"value\": \"${service#* }\"}]'}"
    done
  } >"$work/overlay/kustomization.yaml"
  kubectl kustomize "$work/overlay"
}

# printed is how many flows the reader has printed.
printed() { k logs deployment/flowtail --tail=-1 2>/dev/null | grep -c ' 10\.\| 198\.18' || true; }
flows_printed() { (($(printed) >= flows_wanted)); }

# check_ledger fails unless every flow decoded is delivered or on its way.
check_ledger() {
  local pod
  for pod in $(collectors); do
    metrics "$pod" | awk -v pod="$pod" '
      /^flowpub_flows_decoded_total/ { decoded = $2 }
      /^flowpub_flows_(delivered_total|buffered)/ { kept += $2 }
      /^flowpub_flows_dropped_total/ { dropped += $2 }
      END {
        printf "%s: %d flows decoded, %d delivered or buffered, %d dropped\n", pod, decoded, kept, dropped
        exit !(decoded == kept + dropped && dropped == 0)
      }' || fail 'a collector has lost flows'
  done
}

main() {
  local began=$SECONDS
  manifests | kubectl apply -f - >/dev/null
  for deployment in kafka flowpub flowtail; do
    k rollout status "deployment/$deployment" "--timeout=${seconds_to_be_ready}s" >/dev/null ||
      fail "$deployment does not become ready"
  done
  until_true "$seconds_to_be_ready" flows_printed || fail "flowtail has printed $(printed) flows only"
  say "flowtail has printed $(printed) flows, $((SECONDS - began)) s after the overlay was applied"
  k logs deployment/flowtail --tail=5
  check_ledger
  say "collectors that were started again: $(restarts | awk '{ sum += $2 } END { print sum + 0 }')"
}

main
