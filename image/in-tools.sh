#!/bin/sh
# in-tools.sh TOOLS SOURCE WORK COMMAND...: runs COMMAND among Debian 13's tools, whatever this machine is. It sees SOURCE
# (the repository) as /source, read-only, and WORK as /made; the mounts end with it. No network is needed in it.
set -eu
[ "$#" -gt 3 ] || { echo 'usage: in-tools.sh TOOLS SOURCE WORK COMMAND...' >&2; exit 64; }
mkdir -p "$1/source" "$1/made" "$3"
exec unshare --mount --propagation private sh -c '
  set -eu
  tools=$1 source=$2 work=$3
  shift 3
  mount --bind "$source" "$tools/source"
  mount -o remount,bind,ro "$tools/source"
  mount --bind "$work" "$tools/made"
  mount -t proc proc "$tools/proc"
  mount --rbind /dev "$tools/dev"
  exec env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/root SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
    chroot "$tools" sh -c "cd /source && exec \"\$@\"" sh "$@"
' sh "$@"
