#!/bin/sh
# as-user.sh PROGRAM USER GROUPS WORD...: runs a process as a service manager would start it: as another user, with the groups
# that it is given and no other, and with the files of this folder below PROGRAM, whoever may enter this folder. As root.
set -eu
cd "$(dirname "$0")/../.."
# The mount is gone with the process.
exec unshare --mount sh -c '
  mount --bind "$PWD" "$1"
  cd /
  user=$2 groups=$3
  shift 3
  exec setpriv --reuid "$user" --regid "$user" --groups "$groups" --no-new-privs "$@"
' sh "$@"
