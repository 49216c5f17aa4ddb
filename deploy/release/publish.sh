#!/usr/bin/env bash
# Publishes what build.sh has built, signed: images and chart to a registry, everything
# else as a release on GitHub. It is for the workflow of the tag, whose identity signs;
# nobody holds a key.
#
#   deploy/release/publish.sh REGISTRY [DIRECTORY]      (default: dist)
#
# Variables: VERSION, the tag; COSIGN and HELM, the tools; GH_TOKEN for gh. Docker is
# logged in to the registry, and so are the tools thereby.
set -euo pipefail
shopt -s inherit_errexit

registry=${1:?usage: publish.sh REGISTRY [DIRECTORY]}
registry=${registry,,} # registries know no capitals
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dist=${2:-$root/dist}
version=${VERSION:?the tag that is released}
cd "$root"

# What is built is what the tag says, and complete.
[[ $(deploy/release/version.sh) == "$version" ]] ||
  { echo "publish.sh: the checkout is $(deploy/release/version.sh) and not $version" >&2; exit 1; }
(cd "$dist" && sha256sum --quiet -c SHA256SUMS)

sign_image() { # NAME@DIGEST
  "$COSIGN" sign --yes "$1"
}

# Images first: the chart and the notes name them.
images=$(deploy/release/images.sh "$registry")
for image in $images; do
  sign_image "$image"
done

chart=$("$HELM" push "$dist/flowpub-chart-${version#v}.tgz" "oci://$registry/charts" 2>&1 | tee /dev/stderr | sed -n 's/^Digest: *//p')
sign_image "$registry/charts/flowpub@${chart:?the registry gave no digest of the chart}"

# One signature for all files: they are in the list of checksums.
"$COSIGN" sign-blob --yes --bundle "$dist/SHA256SUMS.sigstore.json" "$dist/SHA256SUMS"

{
  cat "$dist/notes.md"
  printf '\n## Images and chart\n\n'
  for image in $images; do printf -- '- `%s`\n' "$image"; done
  printf -- '- `oci://%s/charts/flowpub` `--version %s`, `%s`\n' "$registry" "${version#v}" "$chart"
} > "$dist/release.md"

flags=()
[[ $version != *-* ]] || flags+=(--prerelease)
cd "$dist"
mapfile -t files < <(find . -maxdepth 1 -type f ! -name notes.md ! -name release.md | sort)
gh release create "$version" --verify-tag --title "$version" --notes-file release.md "${flags[@]}" \
  "${files[@]}"
