#!/bin/sh
# Makes the user that flowpub runs as, before files for its group are unpacked.
set -e

if ! getent passwd flowpub >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin flowpub
fi
