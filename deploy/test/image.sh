#!/usr/bin/env bash
# Runs the image as the base does, in a namespace that enforces the restricted profile,
# and looks at the process from its node: no root, no capability, no way to gain one,
# system calls filtered, a root file system that cannot be written to, ready within a
# second of its start, an image of 20 MiB at most.
#
# Variables: KUBECTL, NODE_SHELL, KAFKA_BROKERS, IMAGE; see README.md. The node needs
# bash, curl and ctr.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

most_bytes=$((20 << 20))
most_milliseconds=1000

# check says what was seen, and fails when it is not what was to be.
check() { # WHAT SEEN WANTED
  [[ $2 == "$3" ]] || fail "$1: $2, and not $3"
  say "$1: $2"
}

image_bytes() { # NODE
  kubectl get node "$1" -o "go-template={{range .status.images}}{{.sizeBytes}}{{range .names}} {{.}}{{end}}{{\"\\n\"}}{{end}}" |
    awk -v image="$image" '{ for (i = 2; i <= NF; i++) if ($i == image) { print $1; exit } }'
}

container() { # POD
  k get pod "$1" -o jsonpath='{.status.containerStatuses[0].containerID}' | sed 's,.*://,,'
}

# of_process prints a field of the process's status.
of_process() { # NODE PID FIELD
  on_node "$1" sed -n "s/^$3:[[:space:]]*//p" "/proc/$2/status" | tr '\t' ' '
}

pid_of() { # NODE CONTAINER
  on_node "$1" ctr -n k8s.io tasks ls | awk -v id="$2" '$1 == id { print $2 }'
}

# restart kills the process, asks every few milliseconds whether the next one is ready,
# and prints when it was: the machine's uptime, in milliseconds.
restart() { # NODE CONTAINER ADDRESS
  # shellcheck disable=SC2016 # the node's shell expands it
  on_node "$1" bash -c '
    ready() { [[ $(curl -s -m 1 -o /dev/null -w "%{http_code}" "http://$1:8080/readyz") == 200 ]]; }
    ctr -n k8s.io tasks kill -s SIGKILL "$0"
    while ready "$1"; do :; done
    until ready "$1"; do :; done
    awk "{ printf \"%d\n\", \$1 * 1000 }" /proc/uptime' "$2" "$3"
}

# started prints when a process was started, likewise.
started() { # NODE PID
  local ticks
  ticks=$(on_node "$1" getconf CLK_TCK)
  on_node "$1" sed 's/.*) //' "/proc/$2/stat" | awk -v ticks="$ticks" '{ printf "%d\n", $20 * 1000 / ticks }'
}

main() {
  local pod node pid bytes ready took
  need NODE_SHELL KAFKA_BROKERS
  install 2
  pod=$(collectors | sed -n 1p)
  node=$(k get pod "$pod" -o jsonpath='{.spec.nodeName}')
  pid=$(pid_of "$node" "$(container "$pod")")
  check 'profile enforced' "$(kubectl get namespace "$namespace" -o jsonpath='{.metadata.labels.pod-security\.kubernetes\.io/enforce}')" restricted
  check 'user ids' "$(of_process "$node" "$pid" Uid)" '65532 65532 65532 65532'
  check 'group ids' "$(of_process "$node" "$pid" Gid)" '65532 65532 65532 65532'
  check 'capabilities' "$(of_process "$node" "$pid" CapEff)" 0000000000000000
  check 'capabilities that can be gained' "$(of_process "$node" "$pid" CapBnd)" 0000000000000000
  check 'no new privileges' "$(of_process "$node" "$pid" NoNewPrivs)" 1
  check 'filter of system calls' "$(of_process "$node" "$pid" Seccomp)" 2
  check 'root file system' "$(on_node "$node" sed -n 's,^[^/]*/[^ ]* / \([a-z]*\).*,\1,p' "/proc/$pid/mountinfo")" ro

  bytes=$(image_bytes "$node")
  say "image: ${bytes:?is not among those of the node} bytes"
  ((bytes <= most_bytes)) || fail "the image has more than $most_bytes bytes"

  ready=$(restart "$node" "$(container "$pod")" "$(k get pod "$pod" -o jsonpath='{.status.podIP}')")
  await_collectors 2
  took=$((ready - $(started "$node" "$(pid_of "$node" "$(container "$pod")")")))
  say "from start to ready: $took ms"
  ((took < most_milliseconds)) || fail "it takes $most_milliseconds ms or more"
}

main
