#!/usr/bin/env bash
# Has an API server judge every overlay, as if it were applied: nothing is changed but
# that the namespaces are made. Warnings count as errors, save for overlays/hostnetwork,
# which Pod Security warns of as it should. Then it seeds faults into the base, one at a
# time, and the server must find each. With OPERATORS=yes it goes on to examples/own and
# components/strimzi.
#
# flowpub must not be installed there. For the overlays the cluster needs nothing; for what
# comes with OPERATORS the definitions of the Prometheus operator (PodMonitor,
# PrometheusRule) and of Strimzi (KafkaTopic, KafkaUser).
#
# Variables: KUBECTL, OPERATORS; see README.md.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# judge says what the server thinks of manifests on standard input.
judge() { # FLAG...
  kubectl apply --dry-run=server "$@" -f - >"$work/judgement" 2>&1
}

kustomizations() { # NAME...
  local name strict bad=0
  for name in "$@"; do
    strict=--warnings-as-errors
    [[ $name != overlays/hostnetwork ]] || strict=--warnings-as-errors=false
    if kubectl kustomize "$kubernetes/$name" | judge "$strict"; then
      say "accepted  $name"
    else
      say "REFUSED   $name"
      grep -v 'server dry run' "$work/judgement"
      bad=1
    fi
  done
  return "$bad"
}

# Each line is a fault: what it is, what the server says of it, and how sed makes it in
# the rendered base, with tabs in between.
faults() {
  cat <<'FAULTS'
a field that is not there	unknown field	s/externalTrafficPolicy:/externalTrafficPolice:/
a value that is not there	supported values	s/externalTrafficPolicy: Local/externalTrafficPolicy: Node/
a network that is none	valid CIDR	s,cidr: 0.0.0.0/0,cidr: 0.0.0.0/33,
an API that was removed	no matches for kind	s,apiVersion: autoscaling/v2,apiVersion: autoscaling/v2beta2,
a name that is none	RFC 1123	s/^  name: flowpub$/  name: flow_pub/
a port that is none	between 1 and 65535	s/containerPort: 2055/containerPort: 205500/
a memory size that is none	quantities must match	s/memory: 512Mi/memory: 512MB/
a limit below the request	less than or equal to memory limit	/limits:/,/memory:/s/memory: 512Mi/memory: 256Mi/
labels that are not selected	selector	/matchLabels:/,/strategy:/s,app.kubernetes.io/component: collector,app.kubernetes.io/component: x,
the user may be root	runAsNonRoot	s/runAsNonRoot: true/runAsNonRoot: false/
a privilege	unrestricted capabilities	s/- ALL/- NET_RAW/
privileges can be gained	allowPrivilegeEscalation	s/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/
no filter of system calls	seccompProfile	s/type: RuntimeDefault/type: Unconfined/
a probe that cannot fail	failureThreshold	/livenessProbe:/,/timeoutSeconds:/s/failureThreshold: 6/failureThreshold: -1/
no time to end in	preStop.sleep	s/terminationGracePeriodSeconds: 60/terminationGracePeriodSeconds: 10/
a text for a number	cannot unmarshal string	s/minReadySeconds: 5/minReadySeconds: five/
more at least than at most	maxReplicas	s/minReplicas: 3/minReplicas: 30/
a budget of both kinds	minAvailable and maxUnavailable	s/maxUnavailable: 1$/maxUnavailable: 1\n  minAvailable: 1/
nothing may go, nothing come	maxUnavailable	s/maxSurge: 1/maxSurge: 0/
a port's name twice	Duplicate value	/name: http$/,/protocol: TCP/{s/name: http$/name: netflow/}
FAULTS
}

seeded() {
  local fault finding how bad=0 found=0
  kubectl kustomize "$kubernetes/base" >"$work/base"
  while IFS=$'\t' read -r fault finding how; do
    sed "$how" "$work/base" >"$work/faulty"
    ! cmp -s "$work/base" "$work/faulty" || fail "the fault was not made: $fault"
    if ! judge --warnings-as-errors <"$work/faulty" && grep -qF "$finding" "$work/judgement"; then
      say "found     $fault"
      found=$((found + 1))
    else
      say "MISSED    $fault: nothing was said of $finding"
      bad=1
    fi
  done < <(faults)
  say "$found faults were found"
  return "$bad"
}

# Or every overlay would be judged as a change of what is there, and some cannot be.
! k get deployment,service,daemonset -o name 2>/dev/null | grep -q /flowpub$ ||
  fail "flowpub is installed: delete the namespace $namespace, or use another cluster"
# Objects of a dry run do not see each other: the namespaces must be there.
kubectl apply -f "$kubernetes/base/namespace.yaml" >/dev/null
kubectl create namespace kafka --dry-run=client -o yaml | kubectl apply -f - >/dev/null
cd "$kubernetes"
kustomizations base overlays/* || fail 'an overlay is refused'
seeded || fail 'a fault is missed'
if [[ -n ${OPERATORS:-} ]]; then
  as_released
  kustomizations examples/own components/strimzi || fail 'what operators are for is refused'
fi
