#!/usr/bin/env bash
# Measures, on a Kafka of its own, what docs/consumers.md says of several consumers: 16
# exporters of one rate, one with 70 % of the flows, and the same divided among partitions.
#
#   FLOWS=400000 UNDER= scaleout.sh [KIND...]      python, java, clickhouse; all unless named
#
# UNDER is what starts each consumer: UNDER='systemd-run --scope -qp CPUQuota=25%' gives each a quarter
# of a processor, so that a machine has room for several.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
export KAFKA_DIR=$work/kafka KAFKA_OWNER=$$ PYTHONPATH=$work
trap 'test/kafka/kafka.sh stop now; rm -rf "$work"' EXIT

go build -o "$work" ./cmd/flowpub ./cmd/flowgen
python3 -m grpc_tools.protoc -I proto --python_out="$work" flow/v1/flow_record.proto
brokers=$(test/kafka/kafka.sh start)

fill() { # TOPIC ELEPHANT SPREAD
  local flowpub
  test/kafka/kafka.sh topic "$1" 12
  FLOWPUB_KAFKA_BROKERS=$brokers FLOWPUB_KAFKA_TOPIC=$1 FLOWPUB_KAFKA_SPREAD=$3 FLOWPUB_LISTEN=127.0.0.1:19055 FLOWPUB_HTTP_LISTEN= \
    "$work/flowpub" 2>"$work/log" &
  flowpub=$!
  "$work/flowgen" -target 127.0.0.1:19055 -exporters 16 -elephant "$2" -rate 50k -flows "${FLOWS:-400000}"
  kill "$flowpub"
  wait "$flowpub" || { cat "$work/log" >&2; exit 1; }
}

fill equal 0 ''
fill elephant 0.7 ''
fill divided 0.7 127.1.0.1/32=12/datagram
python3 examples/scaleout.py --brokers "$brokers" --topic equal --under "${UNDER:-}" --consumers 1 2 3 -- "$@"
for topic in elephant divided; do
  echo "$topic:"
  python3 examples/scaleout.py --brokers "$brokers" --topic "$topic" --under "${UNDER:-}" --consumers 3 -- "$@"
done
