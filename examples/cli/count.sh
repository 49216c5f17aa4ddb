#!/usr/bin/env bash
# Counts the flows that each exporter has in a topic. The key is its address, so no
# value need be decoded.
#
#   count.sh BROKERS TOPIC
set -euo pipefail

# Without e@ kcat does not end while flows go on coming: it waits for a partition that has
# nothing more.
now=$(date +%s%3N)
kcat -C -q -b "$1" -t "$2" -o s@0 -o "e@$now" -e -f '%k\n' |
  awk '{ flows[$0]++ } END { for (exporter in flows) print exporter, flows[exporter] }' | sort
