#!/usr/bin/env bash
# Stands in for a load balancer where there is none: every SECONDS it asks each node's
# health check port whether it has a ready pod, and routes TARGET's address on the
# exporters' machines to the nodes that say yes. It runs until it is ended.
#
#   loadbalancer.sh [SECONDS]    0.5 is a fast one, 5 a slow one
#
# Variables: KUBECTL, EXPORTERS, TARGET; see README.md.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need EXPORTERS TARGET
seconds=${1:-0.5}
address=${TARGET%:*}

nodes() { kubectl get nodes -o jsonpath='{range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'; }

healthy() { # PORT NODE
  [[ $(on_exporter 1 curl -s -m 1 -o /dev/null -w '%{http_code}' "http://$2:$1/healthz") == 200 ]]
}

# announce is what the controller of a load balancer does: kube-proxy takes what is
# sent to this address for the Service.
announce() {
  k patch service flowpub --subresource=status --type=merge \
    -p "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"$address\",\"ipMode\":\"VIP\"}]}}}" >/dev/null
}

route() { # HOP...
  local exporter hop hops=()
  for hop in "$@"; do hops+=(nexthop via "$hop"); done
  for ((exporter = 1; exporter <= $(exporter_count); exporter++)); do
    on_exporter "$exporter" ip route replace "$address/32" "${hops[@]}"
  done
}

announce
port=$(k get service flowpub -o jsonpath='{.spec.healthCheckNodePort}')
read -ra all <<<"$(nodes | paste -sd' ')"
last=
while :; do
  up=()
  for node in "${all[@]}"; do healthy "$port" "$node" && up+=("$node"); done
  # As others do, it keeps sending to all it knew when no node is well.
  if ((${#up[@]} > 0)) && [[ ${up[*]} != "$last" ]]; then
    route "${up[@]}"
    say "load balancer: ${up[*]}"
    last=${up[*]}
  fi
  sleep "$seconds"
done
