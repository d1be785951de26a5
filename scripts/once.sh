#!/bin/sh
# once.sh STAMP FILE... -- COMMAND...
# Runs COMMAND unless it has already succeeded for FILEs of exactly this content. By content and not by time, so
# that a checkout or a copy of the folder does not build again what is the same.
set -eu

stamp=$1
shift
count=0
for word in "$@"; do
  [ "$word" = -- ] && break
  count=$((count + 1))
done

# The platform belongs to it: a folder shared between two machines is not built for both.
key=$(
  i=0
  {
    uname -sm
    pwd
    for file in "$@"; do
      [ "$i" -lt "$count" ] || break
      i=$((i + 1))
      sha256sum "$file"
    done
  } | sha256sum
)
shift "$count"
shift

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
  exit 0
fi
rm -f "$stamp"
"$@"
mkdir -p "$(dirname "$stamp")"
printf '%s\n' "$key" >"$stamp"
