#!/usr/bin/env bash
# Counts the flows that each exporter has in a topic. The key is its address, so no
# value need be decoded.
#
#   count.sh BROKERS TOPIC
set -euo pipefail

kcat -C -q -b "$1" -t "$2" -o beginning -e -f '%k\n' |
  awk '{ flows[$0]++ } END { for (exporter in flows) print exporter, flows[exporter] }' | sort
