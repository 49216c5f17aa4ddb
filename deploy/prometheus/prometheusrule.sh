#!/usr/bin/env bash
# Prints the PrometheusRule of the Kubernetes component: rules.yaml, indented, below what the
# operator wants above it. kustomize cannot do it: it embeds no file and reads none above its folder.
set -euo pipefail

cat <<'HEADER'
# Made by `make generate` of deploy/prometheus/rules.yaml, where the alerts are explained: change
# that file. Without the operator, give that file to Prometheus as it is.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: flowpub
  namespace: flowpub
spec:
HEADER
sed -n '/^groups:/,$ s/^./  &/p' "$(dirname "${BASH_SOURCE[0]}")/rules.yaml" | grep -v '^ *#'
