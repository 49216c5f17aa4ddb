#!/usr/bin/env bash
# Prints the version of the checkout: its tag, such as v1.2.3, or what comes before the
# next one, such as v1.2.4-0.20261129121435.g79ae54f0c3d1. Both are semantic versions,
# which packages and charts need, and sort as the commits do.
set -euo pipefail
export TZ=UTC

cd "$(dirname "${BASH_SOURCE[0]}")"
changed=
git diff --quiet HEAD || changed=.dirty
if [[ -z $changed ]] && tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null); then
  echo "$tag"
  exit
fi
next=v0.0.0
if last=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) && [[ $last =~ ^v([0-9]+)\.([0-9]+)\.([0-9]+)(-.*)?$ ]]; then
  # A candidate, v1.2.3-rc.1, comes before v1.2.3, and so does what follows it.
  patch=${BASH_REMATCH[3]}
  [[ -n ${BASH_REMATCH[4]} ]] || patch=$((patch + 1))
  next=v${BASH_REMATCH[1]}.${BASH_REMATCH[2]}.$patch
fi
echo "$next-0.$(git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd).g$(git rev-parse --short=12 HEAD)$changed"
