#!/usr/bin/env bash
# Builds all that a release consists of, but the images, into a directory: archives of
# static programs, packages, the Helm chart, the messages' definitions, lists of what is
# inside, notes and checksums.
#
# What comes out depends on the commit and on the pinned tools alone. Two builds are the
# same, byte for byte, wherever and whenever they are made: check.sh shows it.
#
#   deploy/release/build.sh [DIRECTORY]      (default: dist)
#
# Variables, all with defaults: VERSION; PLATFORMS, such as "linux/amd64 darwin/arm64";
# PARTS, some of "archives packages proto chart sbom notes"; NFPM, CYCLONEDX and BUF, the tools,
# which `make snapshot` fetches.
set -euo pipefail
shopt -s inherit_errexit
umask 022
export LC_ALL=C TZ=UTC CGO_ENABLED=0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dist=$(mkdir -p "${1:-$root/dist}" && cd "${1:-$root/dist}" && pwd)
cd "$root"

version=${VERSION:-$(deploy/release/version.sh)}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64}
parts=${PARTS:-archives packages proto chart sbom notes}
host=$(go env GOHOSTOS)/$(go env GOHOSTARCH)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'release: %s\n' "$*" >&2; }

# has reports whether a part is asked for.
has() { [[ " $parts " == *" $1 "* ]]; }

# compile builds programs of a platform into bin/OS_ARCH. The collector and the demo
# are for systems that servers run.
compile() { # OS/ARCH
  local os=${1%/*} arch=${1#*/} programs=(./cmd/flowgen ./cmd/flowtail)
  [[ $os == windows ]] || programs+=(./cmd/flowpub ./cmd/flowdemo)
  say "programs for $1"
  GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=true -ldflags "-s -w -X main.version=$version" \
    -o "$work/bin/${os}_$arch/" "${programs[@]}"
}

# document makes the manual pages and the shells' completions of the programs' own help,
# by running those of this machine.
document() {
  say 'manual pages and completions'
  go run ./deploy/release/manual "$work/bin/${host/\//_}" "$work/manual" "$version" "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)"
  mkdir "$work/manual/man1" "$work/manual/man8"
  cp "$work/manual/man"/*.1 "$work/manual/man1/"
  cp "$work/manual/man"/*.8 "$work/manual/man8/"
  gzip -n -9 "$work/manual"/man[18]/*
  settle "$work/manual"
}

# licences copies what the modules in the programs, and Go itself, ask to be copied.
licences() {
  local module folder file found
  {
    printf '%s %s\n' "$(go env GOVERSION)" "$(go env GOROOT)"
    go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/... | sort -u
  } | while read -r module folder; do
    [[ -n $module ]] || continue
    found=
    for file in "$folder"/{LICENSE,LICENCE,COPYING,NOTICE}*; do
      [[ -f $file ]] || continue
      found=yes
      printf '%s\n\n' "==== $module, ${file##*/}"
      cat "$file"
      echo
    done
    [[ -n $found ]] || { say "$module has no licence to copy"; return 1; }
  done > "$work/LICENSES.txt"
}

# settle gives every file of a directory the commit's time.
settle() { # DIRECTORY
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# pack makes an archive of a directory: its files by name, with the commit's time and
# without an owner.
pack() { # DIRECTORY ARCHIVE
  local parent=${1%/*} name=${1##*/}
  settle "$1"
  if [[ $2 == *.zip ]]; then
    (cd "$parent" && find "$name" -type f | sort | zip -q -X -9 "$2" -@)
  else
    tar -C "$parent" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w \
      --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n -9 > "$2"
  fi
}

# archive packs the programs of a platform with what is to be read and installed.
archive() { # OS/ARCH
  local os=${1%/*} arch=${1#*/} kind=tar.gz product=flowpub
  [[ $os != windows ]] || { kind=zip product=flowpub-tools; }
  local name=${product}_${version#v}_${os}_$arch
  mkdir -p "$work/archives/$name"
  cp "$work/bin/${os}_$arch"/* "$work/LICENSES.txt" LICENSE README.md CHANGELOG.md "$work/archives/$name/"
  [[ $os == windows ]] || cp -r "$work/manual"/{man,bash,zsh,fish} "$work/archives/$name/"
  pack "$work/archives/$name" "$dist/$name.$kind"
}

# package builds deb and rpm of a Linux platform.
package() { # ARCH
  local kind name
  for kind in deb rpm; do
    for name in flowpub flowpub-tools; do
      (cd deploy/packages && VERSION=${version#v} ARCH=$1 PROGRAMS=$work/bin/linux_$1 STAGE=$work/manual \
        "$NFPM" package -f "$name.yaml" -p "$kind" -t "$dist/${name}_${version#v}_$1.$kind" >/dev/null)
    done
  done
}

# definitions are for consumers: the .proto files, and the same compiled, for those that
# load descriptors when they run.
definitions() {
  local name=flowpub_${version#v}_proto
  mkdir -p "$work/$name"
  (cd proto && find . -name '*.proto' -exec cp --parents -t "$work/$name" {} +)
  "$BUF" build proto --as-file-descriptor-set -o "$work/$name/flow.v1.binpb"
  cp LICENSE "$work/$name/"
  pack "$work/$name" "$dist/$name.tar.gz"
}

# chart packs the Helm chart, which installs this version.
chart() {
  mkdir "$work/chart"
  cp -rL deploy/helm/flowpub "$work/chart/flowpub" # links become the files
  sed -i -e "s/^version: .*/version: ${version#v}/" -e "s/^appVersion: .*/appVersion: $version/" "$work/chart/flowpub/Chart.yaml"
  pack "$work/chart/flowpub" "$dist/flowpub-chart-${version#v}.tgz"
}

# inventory lists the modules in each program, in the form of CycloneDX.
inventory() {
  local program
  [[ -d $work/bin/linux_amd64 ]] || compile linux/amd64
  for program in flowpub flowgen flowtail flowdemo; do
    "$CYCLONEDX" bin -json -noserial -notimestamp -std -licenses -version "$version" \
      -output "$dist/${program}_${version#v}.cdx.json" "$work/bin/linux_amd64/$program" 2>"$work/log" || { cat "$work/log" >&2; return 1; }
  done
}

main() {
  local platform
  say "$version, in $dist"
  rm -rf "${dist:?}"/*
  # Help is printed by programs that run here, wanted or not.
  compile "$host"
  if has archives || has packages; then
    licences
    document
    cp -p "$work/LICENSES.txt" "$work/manual/"
  fi
  for platform in $platforms; do
    [[ $platform == "$host" ]] || compile "$platform"
    ! has archives || archive "$platform"
    if has packages && [[ $platform == linux/* ]]; then package "${platform#*/}"; fi
  done
  ! has proto || definitions
  ! has chart || chart
  ! has sbom || inventory
  ! has notes || deploy/release/notes.sh "$version" > "$dist/notes.md"
  (cd "$dist" && sha256sum -- * > SHA256SUMS)
  (cd "$dist" && wc -c -- * | sed 's/^/release: /') >&2
}

main
