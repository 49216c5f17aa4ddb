#!/usr/bin/env bash
# Tests version.sh and notes.sh, in a repository made for it.
set -euo pipefail
shopt -s inherit_errexit

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

is() { # WHAT GOT WANTED
  [[ $2 == $3 ]] && return # wanted is a pattern
  printf 'release/test.sh: %s: %s, and not %s\n' "$1" "$2" "$3" >&2
  failures=$((failures + 1))
}

cd "$work"
export GIT_AUTHOR_DATE='2026-11-29T12:14:35+0300' GIT_COMMITTER_DATE='2026-11-29T12:14:35+0300'
git init -q .
git config user.name test
git config user.email test@example.net
mkdir -p deploy/release
cp "$scripts"/*.sh deploy/release/
commit() { git add -A && git commit -q --allow-empty -m "$1"; }
version() { deploy/release/version.sh; }
hash() { git rev-parse --short=12 HEAD; }

commit one
is 'before any tag' "$(version)" "v0.0.0-0.20261129091435.g$(hash)"
git tag nonsense
is 'a tag that is no version' "$(version)" "v0.0.0-0.20261129091435.g$(hash)"
git tag v1.2.3-rc.1
is 'a candidate' "$(version)" v1.2.3-rc.1
commit two
is 'after a candidate' "$(version)" "v1.2.3-0.20261129091435.g$(hash)"
git tag -a -m v1.2.9 v1.2.9
is 'a release' "$(version)" v1.2.9
echo changed >> deploy/release/notes.sh
is 'a release that was changed' "$(version)" "v1.2.10-0.20261129091435.g$(hash).dirty"
git checkout -q deploy
commit three
is 'after a release' "$(version)" "v1.2.10-0.20261129091435.g$(hash)"
is 'from elsewhere' "$(cd / && TZ=Asia/Tokyo "$work/deploy/release/version.sh")" "v1.2.10-0.20261129091435.g$(hash)"

cat > CHANGELOG.md <<'END'
# Changelog

## Unreleased

- new

## v1.2.3 - 2026-12-01

- this
  and that

## v1.2.30

- other

## v1.0.0

END
notes() { deploy/release/notes.sh "$@"; }
is 'notes of a release' "$(notes v1.2.3)" $'- this\n  and that'
is 'notes of a release whose name begins likewise' "$(notes v1.2.30)" '- other'
is 'notes before a tag' "$(notes v1.2.31-0.20261129091435.gabc)" '- new'
for version in v1.2 v9.9.9 v1.0.0 v1.2.3-rc.1; do
  if out=$(notes "$version" 2>&1); then is "notes of $version" "$out" 'an error'; fi
  is "why there are no notes of $version" "$out" "*no section \"## $version\" with text*"
done

((failures == 0)) && echo 'release/test.sh: versions and notes are right'
