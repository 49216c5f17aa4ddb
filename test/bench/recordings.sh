#!/usr/bin/env bash
# Makes recordings of NetFlow version 5 as softflowd and pmacctd export it, for
# `make bench-e2e TRAFFIC=file:...`. They read packets that are made up: hosts by
# Zipf's law, lengths of flows by Pareto's.
#
# usage: recordings.sh DIRECTORY [FLOWS]
#
# Needs root and Debian's softflowd, pmacct, tcpdump and python3. What they send
# stays in a network namespace of its own.
set -euo pipefail
into=$1 flows=${2:-400000}
mkdir -p "$into"
into=$(cd "$into" && pwd)

python3 - "$into/packets.pcap" "$flows" <<'PYTHON'
import bisect, itertools, random, struct, sys

path, flows = sys.argv[1], int(sys.argv[2])
rng = random.Random(5)

def zipf(n):
    """Returns a function that draws below n, k with a weight of 1/(k+1)."""
    sums = list(itertools.accumulate(1 / (k + 1) for k in range(n)))
    return lambda: bisect.bisect(sums, rng.random() * sums[-1])

inside, outside = zipf(20_000), zipf(60_000)
packets = []
for _ in range(flows):
    host = struct.pack(">I", 0x0A000000 + inside())
    peer = struct.pack(">I", 0xC6120000 + outside())
    local = rng.randrange(32768, 61000)
    protocol, port = rng.choices([(6, 443), (6, 80), (17, 443), (17, 53), (6, 22)], [50, 12, 20, 15, 3])[0]
    at, count = rng.random() * 600, min(40, int(rng.paretovariate(0.9)))
    for i in range(count):
        out = i % 2 == 0
        size = rng.choice((52, 60, 120, 576, 1500))
        source, destination, sport, dport = (host, peer, local, port) if out else (peer, host, port, local)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 62, protocol, 0, source, destination)
        if protocol == 6:
            flags = 2 if i == 0 else 0x11 if i == count - 1 else 0x18
            transport = struct.pack(">HHIIBBHHH", sport, dport, i, i, 0x50, flags, 64240, 0, 0)
        else:
            transport = struct.pack(">HHHH", sport, dport, size - 20, 0)
        packets.append((at, size, ip + transport))
        at += rng.expovariate(4)
packets.sort(key=lambda p: p[0])
with open(path, "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    ethernet = bytes.fromhex("020000000001020000000002") + b"\x08\x00"
    for at, size, data in packets:
        seconds = int(at)
        f.write(struct.pack("<IIII", 1_750_000_000 + seconds, int((at - seconds) * 1e6), 14 + len(data), 14 + size))
        f.write(ethernet + data)
print(f"{len(packets)} packets of {flows} conversations")
PYTHON

# record FILE COMMAND... runs an exporter to 127.0.0.1:2055 and records what it sends.
record() {
  local file=$1
  shift
  unshare --net -- bash -euo pipefail -c '
    file=$1; shift
    ip link set lo up
    tcpdump -Z root -i lo -B 262144 -s 0 -w "$file" "udp dst port 2055" 2>"$file.log" & recorder=$!
    until grep -q listening "$file.log"; do sleep 0.1; done
    "$@" >"$file.exporter.log" 2>&1
    sleep 2; kill -INT "$recorder"; wait "$recorder" || true
    grep "packets" "$file.log"; rm "$file.log" "$file.exporter.log"' record "$file" "$@"
}

record "$into/softflowd.pcap" softflowd -d -m 1000000 -v 5 -n 127.0.0.1:2055 -r "$into/packets.pcap"

cat >"$into/pmacctd.conf" <<CONF
daemonize: false
pcap_savefile: $into/packets.pcap
pcap_savefile_wait: 3
plugins: nfprobe[v5]
nfprobe_version[v5]: 5
nfprobe_receiver[v5]: 127.0.0.1:2055
nfprobe_timeouts[v5]: tcp=30:tcp.rst=5:tcp.fin=5:udp=30:icmp=30:general=30:maxlife=120:expint=1
nfprobe_maxflows[v5]: 1000000
plugin_pipe_size[v5]: 268435456
plugin_buffer_size[v5]: 1048576
CONF
record "$into/pmacctd.pcap" timeout --signal INT 60 pmacctd -f "$into/pmacctd.conf" || true
ls -l "$into"/*.pcap
