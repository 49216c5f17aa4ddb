#!/usr/bin/env bash
# Prints the oldest flow of a topic. DECODER=buf takes buf in place of protoc.
#
#   one.sh BROKERS TOPIC
set -euo pipefail

proto=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../proto" && pwd)
message=flow.v1.FlowRecord

value() { # BROKERS TOPIC
  kcat -C -q -b "$1" -t "$2" -o beginning -e -c 1 -D ''
}

case ${DECODER:-protoc} in
  protoc) value "$@" | protoc -I "$proto" --decode "$message" flow/v1/flow_record.proto ;;
  buf) value "$@" | "${BUF:-buf}" convert "$proto" --type "$message" --from -#format=binpb --to -#format=json ;;
  *) echo "DECODER is $DECODER: give protoc or buf" >&2; exit 2 ;;
esac
