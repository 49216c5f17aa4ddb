#!/usr/bin/env bash
# Builds the two images for both architectures. Without Docker it says that it did not.
#
#   deploy/release/images.sh           builds them, to see that they can be built
#   deploy/release/images.sh REGISTRY  pushes REGISTRY/flowpub and REGISTRY/flowpub-tools
#                                      with their provenance and lists of what is inside,
#                                      and prints the name of each by its digest
#
# VERSION: default as in build.sh. A version that is no candidate is also "latest".
set -euo pipefail
shopt -s inherit_errexit

registry=${1:-}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=${VERSION:-$(deploy/release/version.sh)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! docker info >/dev/null 2>&1; then
  [[ -z $registry ]] || { echo 'images.sh: there is no Docker engine to build with' >&2; exit 1; }
  echo 'images.sh: there is no Docker engine here: the images were NOT built' >&2
  exit 0
fi

# One builder for all platforms; the engine's own has one only.
builder=flowpub-release
docker buildx inspect "$builder" >/dev/null 2>&1 || docker buildx create --name "$builder" --driver docker-container >/dev/null

build() { # TARGET NAME
  local output=type=cacheonly,rewrite-timestamp=true tags=()
  if [[ -n $registry ]]; then
    output=type=registry,rewrite-timestamp=true
    tags=(-t "$registry/$2:$version")
    [[ $version == *-* ]] || tags+=(-t "$registry/$2:latest")
  fi
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) docker buildx build --builder "$builder" -f deploy/Dockerfile --target "$1" \
    --platform linux/amd64,linux/arm64 --build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD)" \
    --sbom=true --provenance=mode=max --metadata-file "$work/$1" --output "$output" "${tags[@]}" . >&2
  [[ -z $registry ]] || echo "$registry/$2@$(jq -r '."containerimage.digest"' "$work/$1")"
}

build flowpub flowpub
build tools flowpub-tools
