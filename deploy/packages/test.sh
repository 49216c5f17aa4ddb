#!/usr/bin/env bash
# Installs, starts, upgrades and removes the packages on a Debian 12 that has nothing
# else of ours, under its own systemd, with a real Kafka beside it:
#
#   - installed it runs nowhere; without brokers it says so, and is not started for ever
#   - with brokers it is ready when systemctl start returns, without any privilege
#   - flows of softflowd and of flowgen are in Kafka
#   - killed, crashed or standing still, it is started again
#   - upgraded under load it loses less than a receive buffer holds; how much is told
#   - purged it leaves nothing; the rpm has the same files and goes likewise
#
# It needs root, Debian's debootstrap and systemd-container, and what test/kafka/kafka.sh
# needs. Network and mounts are in namespaces of its own. Variables: NFPM, the tool;
# RATE, flows a second while it is upgraded.
set -euo pipefail
shopt -s inherit_errexit

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
rate=${RATE:-40000}
receive_buffer=$((32 << 20))

# Mounts that nobody else sees, and a /run for nspawn that is no disk.
if [[ -z ${PACKAGES_UNSHARED:-} ]]; then
  PACKAGES_UNSHARED=yes exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi

work=$(mktemp -d)
network=flowpub-packages-$$
root=$work/root
leader=

say() { printf 'packages: %s\n' "$*" >&2; }
fail() {
  say "FAILED: $*"
  exit 1
}

cleanup() {
  local status=$?
  set +e
  if [[ -n $leader ]]; then
    ((status == 0)) || inside journalctl --no-pager -n 40 -u flowpub >&2
    inside systemctl --no-block poweroff
    timeout 20 tail --pid="$machine" -f /dev/null || kill -KILL "$leader"
  fi
  KAFKA_DIR=$work/kafka "$repository/test/kafka/kafka.sh" stop >/dev/null 2>&1
  ip netns del "$network" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

networked() { ip netns exec "$network" "$@"; }
inside() { nsenter --target "$leader" --all -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"; }

# await waits for a command to succeed.
await() { # WHAT SECONDS COMMAND...
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@"; do
    ((SECONDS < end)) || fail "waited too long: $what"
    read -rt 0.2 <> <(:) || :
  done
}

build() { # VERSION
  VERSION=$1 PLATFORMS=linux/$(go env GOARCH) PARTS=packages "$repository/deploy/release/build.sh" "$work/$1" 2>/dev/null
}

debian() {
  local cache=$repository/.cache/debian
  mkdir -p "$cache"
  debootstrap --variant=minbase --cache-dir="$cache" \
    --include=systemd,systemd-sysv,dbus,iproute2,procps,softflowd,rpm,zsh,fish,man-db bookworm "$root" >"$work/debootstrap.log" 2>&1 ||
    { tail -20 "$work/debootstrap.log" >&2; fail 'Debian could not be unpacked'; }
  # softflowd is started by the test, not by the machine.
  rm -f "$root"/etc/systemd/system/multi-user.target.wants/softflowd.service
  cp "$work"/v0.0.1/flowpub_*.deb "$root/root/old.deb"
  cp "$work"/v0.0.2/flowpub_*.deb "$root/root/new.deb"
  cp "$work"/v0.0.2/flowpub_*.rpm "$root/root/new.rpm"
  cp "$work"/v0.0.2/flowpub-tools_*.deb "$root/root/tools.deb"
  cp "$repository/decoder/netflow5/testdata/softflowd_synth6200.pcap" "$root/root/traffic.pcap"
}

boot() {
  mkdir -p /run/systemd
  mount -t tmpfs tmpfs /run/systemd
  systemd-nspawn --quiet --register=no --keep-unit --network-namespace-path="/run/netns/$network" \
    -D "$root" -M "$network" --console=pipe -b </dev/null >"$work/console.log" 2>&1 &
  machine=$!
  leader_of() { leader=$(pgrep -P "$machine" | sed -n 1p) && [[ -n $leader ]]; }
  await 'the machine' 30 leader_of
  running() { [[ $(inside systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; }
  await 'the machine has started' 120 running
}

kafka() {
  networked ip link set lo up
  KAFKA_DIR=$work/kafka networked "$repository/test/kafka/kafka.sh" start >/dev/null
  KAFKA_DIR=$work/kafka networked "$repository/test/kafka/kafka.sh" topic flows 4 >/dev/null
}

# files lists all that the machine has, but for what every package manager writes down.
files() {
  inside find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/lib/dpkg -o -path /var/lib/apt \
    -o -path /var/lib/rpm -o -path /root -o -path /var/cache -o -path /var/log -o -path /var/lib/systemd -o -path /var/tmp \) -prune -o -print |
    grep -v '^/etc/\(passwd\|group\|shadow\|gshadow\)-$' | sort
}

users() { inside cat /etc/passwd /etc/group; }

metric() { # NAME
  networked curl -s -m 2 http://127.0.0.1:8080/metrics | awk -v name="$1" '$1 == name { printf "%d\n", $2 }'
}

# in_kafka counts the flow records of exporters whose address begins so: it is the key.
in_kafka() { # ADDRESS
  networked kcat -C -b 127.0.0.1:19092 -t flows -o beginning -e -q -f '%k\n' | grep -c "^${1//./\\.}" || :
}
are_in_kafka() { # ADDRESS FLOWS
  (($(in_kafka "$1") >= $2))
}

active() { [[ $(inside systemctl show -P ActiveState flowpub) == active ]]; }
main_pid() { inside systemctl show -P MainPID flowpub; }
of_process() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(main_pid)/status" | tr '\t' ' '; }

installed() {
  inside apt-get install -y -q --no-install-recommends /root/old.deb >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail 'it is not installed'; }
  [[ $(inside stat -c '%a %U %G' /etc/flowpub/flowpub.env) == '640 root flowpub' ]] || fail "flowpub.env is $(inside stat -c '%a %U %G' /etc/flowpub/flowpub.env)"
  [[ $(inside stat -c '%a %U %G' /etc/flowpub) == '750 root flowpub' ]] || fail "/etc/flowpub is $(inside stat -c '%a %U %G' /etc/flowpub)"
  ! active || fail 'it runs, though nobody has named a broker'
  inside systemd-analyze verify --man=no flowpub.service || fail 'systemd does not like the unit'
  exposure=$(inside systemd-analyze security --no-pager flowpub.service | sed -n 's/.*exposure level for flowpub.service: \([0-9.]*\).*/\1/p')
  awk -v level="$exposure" 'BEGIN { exit !(level != "" && level < 2.0) }' || fail "systemd-analyze security says $exposure, and not less than 2.0"
  say "installed; exposure level $exposure"
}

# What people read and type, by those that show and complete it.
read_and_typed() {
  inside apt-get install -y -q --no-install-recommends /root/tools.deb >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail 'the tools are not installed'; }
  local page program
  for page in flowpub.8 flowgen.1 flowgen-replay.1 flowtail.1 flowdemo.1; do
    inside man --warnings -P cat "$page" >"$work/page" 2>"$work/warnings" || fail "man $page"
    [[ ! -s $work/warnings && $(wc -l <"$work/page") -gt 20 ]] || fail "man $page: $(cat "$work/warnings")"
  done
  for program in flowpub flowgen flowtail flowdemo; do
    inside zsh -n "/usr/share/zsh/vendor-completions/_$program" || fail "zsh does not read the completion of $program"
    inside fish --no-execute "/usr/share/fish/vendor_completions.d/$program.fish" || fail "fish does not read the completion of $program"
  done
  inside fish -c 'complete -C "flowtail -by "' | grep -qx 'packets.*' || fail 'fish does not complete flowtail -by'
  inside apt-get purge -y -q flowpub-tools >/dev/null
  say 'manual pages and completions are read'
}

without_brokers() {
  ! inside systemctl start flowpub 2>/dev/null || fail 'it starts without brokers'
  [[ $(inside systemctl show -P ExecMainStatus flowpub) == 2 && $(inside systemctl show -P ActiveState flowpub) == failed ]] ||
    fail "without brokers it is $(inside systemctl show -P ActiveState flowpub), status $(inside systemctl show -P ExecMainStatus flowpub)"
  inside journalctl -u flowpub | grep -q 'FLOWPUB_KAFKA_BROKERS' || fail 'the journal does not name the variable that is missing'
}

with_brokers() {
  inside sh -c 'echo FLOWPUB_KAFKA_BROKERS=127.0.0.1:19092 >> /etc/flowpub/flowpub.env'
  inside systemctl start flowpub || fail 'it does not start'
  active || fail 'it is not active though systemctl start came back'
  inside systemctl show -P StatusText flowpub | grep -q 'listening on UDP' || fail "its status is $(inside systemctl show -P StatusText flowpub)"
  [[ $(of_process Uid) != *' 0'* && $(of_process Uid) != 0* ]] || fail "its user is $(of_process Uid)"
  [[ $(of_process CapEff) == 0000000000000000 && $(of_process CapBnd) == 0000000000000000 ]] || fail 'it has capabilities'
  [[ $(of_process NoNewPrivs) == 1 && $(of_process Seccomp) == 2 ]] || fail 'it may gain privileges, or call everything'
  say 'started, without privileges'
}

flows_arrive() {
  inside softflowd -r /root/traffic.pcap -n 127.0.0.1:2055 -v 9 >/dev/null 2>&1 || fail 'softflowd'
  await 'flows of softflowd are in Kafka' 60 are_in_kafka 127.0.0.1 1
  networked "$work/bin/flowgen" -source 127.1.0.1 -exporters 4 -format all -rate 2000 -flows 5000 >/dev/null
  await 'all flows of flowgen are in Kafka' 60 are_in_kafka 127.1. 5000
  [[ $(in_kafka 127.1.) == 5000 ]] || fail "flowgen sent 5000 flows, and in Kafka are $(in_kafka 127.1.)"
  say 'flows of softflowd and of flowgen are in Kafka'
}

another() { [[ $(main_pid) != "$1" && $(main_pid) != 0 ]] && active; }

started_again() {
  local before
  before=$(main_pid)
  inside kill -KILL "$before"
  await 'it is started again when it was killed' 60 another "$before"
  # What a Go program does when it crashes.
  before=$(main_pid)
  inside kill -ABRT "$before"
  await 'it is started again when it has crashed' 60 another "$before"
  # The same with a watchdog that a test can wait for.
  inside mkdir -p /run/systemd/system/flowpub.service.d
  inside sh -c 'printf "[Service]\nWatchdogSec=2\n" > /run/systemd/system/flowpub.service.d/test.conf'
  inside systemctl daemon-reload
  inside systemctl restart flowpub
  before=$(main_pid)
  inside kill -STOP "$before"
  await 'it is started again when it stands still' 120 another "$before"
  inside rm -r /run/systemd/system/flowpub.service.d
  inside systemctl daemon-reload
  inside systemctl restart flowpub
  say 'killed, crashed or standing still it is started again'
}

upgraded() {
  local before sent kept lost
  before=$(main_pid)
  networked "$work/bin/flowgen" -source 127.2.0.1 -exporters 8 -rate "$rate" -flows $((rate * 20)) >"$work/flowgen.log" 2>&1 &
  local load=$!
  arriving() { (($(metric flowpub_datagrams_received_total) > 100)); }
  await 'load' 60 arriving
  inside apt-get install -y -q --no-install-recommends /root/new.deb >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail 'it is not upgraded'; }
  another "$before" || fail 'it was not restarted by the upgrade'
  inside flowpub -version | grep -q 'v0\.0\.2$' || fail 'it is the old version'
  kill -0 "$load" 2>/dev/null || fail 'the upgrade took longer than the load: raise the number of flows'
  wait "$load" || :
  sent=$((rate * 20))
  all_there() {
    local waiting
    waiting=$(metric flowpub_flows_buffered)
    [[ $waiting == 0 ]]
  }
  await 'Kafka has what arrived' 60 all_there
  kept=$(in_kafka 127.2.)
  lost=$((sent - kept))
  # 30 flows are a datagram of 1,464 bytes.
  say "upgraded under $rate flows/s: $lost of $sent flows lost, $((lost * 1464 / 30)) bytes, the load of $((lost * 1000 / rate)) ms"
  ((lost >= 0 && lost * 1464 / 30 <= receive_buffer)) || fail "that is more than a receive buffer of $receive_buffer bytes"
  [[ $(inside stat -c '%a %U %G' /etc/flowpub/flowpub.env) == '640 root flowpub' ]] || fail 'flowpub.env is no longer as it was'
  inside grep -q '^FLOWPUB_KAFKA_BROKERS=' /etc/flowpub/flowpub.env || fail 'the upgrade has lost the configuration'
}

same() { # WHAT BEFORE AFTER
  diff "$2" "$3" >&2 || fail "$1 is not as it was before"
}

removed() {
  inside apt-get purge -y -q flowpub >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail 'it is not purged'; }
  files >"$work/files.after"
  users >"$work/users.after"
  same 'the file system' "$work/files.before" "$work/files.after"
  same 'the list of users' "$work/users.before" "$work/users.after"
  [[ -z $(inside systemctl list-units --all --no-legend 'flowpub*') ]] || fail 'systemd still knows it'
  say 'purged without a trace'
}

rpm_likewise() {
  inside rpm -i --nodeps /root/new.rpm >"$work/rpm.log" 2>&1 || { cat "$work/rpm.log" >&2; fail 'the rpm is not installed'; }
  [[ $(inside stat -c '%a %U %G' /etc/flowpub/flowpub.env) == '640 root flowpub' ]] || fail 'flowpub.env of the rpm'
  inside systemctl cat flowpub >/dev/null || fail 'systemd does not know the unit of the rpm'
  inside flowpub -version | grep -q 'v0\.0\.2$' || fail 'the rpm has another program'
  inside rpm -e --nodeps flowpub >"$work/rpm.log" 2>&1 || { cat "$work/rpm.log" >&2; fail 'the rpm is not removed'; }
  files >"$work/files.rpm"
  same 'the file system after the rpm' "$work/files.before" "$work/files.rpm"
  say 'the rpm comes and goes likewise'
}

main() {
  ip netns add "$network"
  (cd "$repository" && CGO_ENABLED=0 go build -o "$work/bin/" ./cmd/flowgen)
  build v0.0.1
  build v0.0.2
  say 'Debian, Kafka'
  debian
  kafka
  boot
  files >"$work/files.before"
  users >"$work/users.before"
  installed
  read_and_typed
  without_brokers
  with_brokers
  flows_arrive
  started_again
  upgraded
  removed
  rpm_likewise
  say "all passed in $SECONDS s"
}

main
