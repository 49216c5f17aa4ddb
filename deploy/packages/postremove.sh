#!/bin/sh
# deb: postrm remove | purge | upgrade ...; rpm: 0 for a removal, 1 for an upgrade.
set -e

case "$1" in
remove | 0)
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl reset-failed flowpub.service 2>/dev/null || :
  fi
  ;;
purge)
  rm -rf /etc/flowpub
  # The unit may have been enabled again since.
  rm -f /etc/systemd/system/multi-user.target.wants/flowpub.service
  if getent passwd flowpub >/dev/null; then userdel flowpub; fi
  ;;
esac
