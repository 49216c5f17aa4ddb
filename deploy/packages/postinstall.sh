#!/bin/sh
# deb: postinst configure [OLD-VERSION]; rpm: 1 for an installation, 2 for an upgrade.
set -e

case "$1" in
configure) if [ -n "$2" ]; then change=upgrade; else change=install; fi ;;
abort-*) change=upgrade ;;
1) change=install ;;
*) change=upgrade ;;
esac

# The receive buffer: raised, never lowered. A container's kernel is not its own.
conf=/usr/lib/sysctl.d/10-flowpub.conf
wanted=$(sed -n 's/^net.core.rmem_max *= *//p' "$conf")
limit=/proc/sys/net/core/rmem_max
if [ -e "$limit" ] && [ "$(cat "$limit")" -lt "$wanted" ]; then
  echo "$wanted" 2>/dev/null >"$limit" ||
    echo "flowpub: net.core.rmem_max stays $(cat "$limit"): the host of this container has to set $wanted" >&2
fi

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  # Only where it runs. Datagrams that arrive meanwhile are lost; the pause is short, since
  # the new program is in place already.
  if [ "$change" = upgrade ]; then systemctl try-restart flowpub.service; fi
fi
if [ "$change" = install ]; then
  echo 'flowpub: name your brokers in /etc/flowpub/flowpub.env, then: systemctl enable --now flowpub'
fi
