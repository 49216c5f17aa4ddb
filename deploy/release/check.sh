#!/usr/bin/env bash
# Builds a release twice and fails when the two differ in a single byte: from two clones
# of the commit in other places, by another user's habits, at other times. The first is
# left in a directory.
#
#   deploy/release/check.sh [DIRECTORY]      (default: dist)
#
# FRESH=1 takes nothing from Go's cache, which is several minutes more.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dist=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

git clone -q "$root" "$work/one"
git clone -q "$root" "$work/elsewhere/two"
git -C "$root" diff --quiet HEAD || echo 'check.sh: what is not committed is not part of it' >&2

"$work/one/deploy/release/build.sh" "$dist"
if [[ -n ${FRESH:-} ]]; then export GOCACHE=$work/cache; fi
(umask 077 && TZ=Asia/Kathmandu LC_ALL=C.UTF-8 HOSTNAME=elsewhere USER=somebody \
  "$work/elsewhere/two/deploy/release/build.sh" "$work/second" 2>/dev/null)

diff -r "$dist" "$work/second" || { echo 'check.sh: two builds of the same commit differ' >&2; exit 1; }
echo "check.sh: two builds of the same commit are the same: $(find "$dist" -type f | wc -l) files, $(du -sb "$dist" | cut -f1) bytes"
