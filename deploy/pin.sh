#!/usr/bin/env bash
# Pins the image that builds flowpub to the digest that its tag has now, in the
# Dockerfile. It asks the registry by docker, so it needs docker and the network.
#
#   deploy/pin.sh [DOCKERFILE]
set -euo pipefail

file=${1:-$(dirname "${BASH_SOURCE[0]}")/Dockerfile}
version=$(sed -n 's/^ARG GO_VERSION=//p' "$file")
image=docker.io/library/golang:$version-bookworm
digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}') ||
  { echo "pin.sh: the digest of $image could not be asked for: check docker and the network" >&2; exit 1; }
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] ||
  { echo "pin.sh: the registry gave \"$digest\" as the digest of $image; nothing was changed" >&2; exit 1; }
grep -q '^ARG GO_DIGEST=' "$file" ||
  { echo "pin.sh: $file has no line ARG GO_DIGEST=; nothing was changed" >&2; exit 1; }
sed -i "s/^ARG GO_DIGEST=.*/ARG GO_DIGEST=@$digest/" "$file"
echo "$image is $digest"
