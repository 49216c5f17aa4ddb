#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version. A tag without a section of its own is an
# error, as is an empty section; for versions before a tag it is what is unreleased.
#
#   deploy/release/notes.sh VERSION [CHANGELOG.md]
set -euo pipefail

version=${1:?usage: notes.sh VERSION [CHANGELOG.md]}
file=${2:-$(dirname "${BASH_SOURCE[0]}")/../../CHANGELOG.md}
heading="## $version"
[[ $version != *-0.* ]] || heading='## Unreleased'

# A heading may go on with a date: "## v1.2.3 - 2026-12-01".
notes=$(awk -v heading="$heading" '
  /^## / { inside = $0 == heading || index($0, heading " ") == 1; next }
  inside' "$file" | sed -e '/./,$!d')
[[ -n $notes ]] || { echo "notes.sh: $file has no section \"$heading\" with text: name the release there before its tag is pushed" >&2; exit 1; }
printf '%s\n' "$notes"
