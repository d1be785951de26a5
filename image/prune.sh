#!/bin/sh
# prune.sh ROOT LIST: takes out of ROOT what LIST names (prune.list says how), then what is left of dpkg and of /var, and every
# set-id bit.
set -eu
root=$1
list=$2
info=$root/var/lib/dpkg/info
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Which package a file list is of: its name, without the processor of libraries.
for file in "$info"/*.list; do
  name=$(basename "$file" .list)
  name=${name%%:*}
  if grep -qx "package $name" "$list"; then cat "$file" >>"$work/dropped"; else cat "$file" >>"$work/kept"; fi
done
LC_ALL=C sort -u -o "$work/dropped" "$work/dropped"
LC_ALL=C sort -u -o "$work/kept" "$work/kept"
LC_ALL=C comm -23 "$work/dropped" "$work/kept" | while read -r file; do
  # The licences of what a package has left behind elsewhere stay, and so do folders.
  case $file in /usr/share/doc/*) continue ;; esac
  [ -d "$root$file" ] && [ ! -L "$root$file" ] || rm -f "$root$file"
done

sed -n 's/^path //p' "$list" | while read -r pattern; do
  # shellcheck disable=SC2086 -- patterns, and none of them has a blank
  (cd "$root" && rm -rf -- $pattern)
done
# Links to what was dropped by way of /etc/alternatives.
find "$root/usr/bin" "$root/usr/sbin" -type l -lname '/etc/alternatives/*' -delete
find "$root/usr" -name '__pycache__' -prune -exec rm -rf {} +
find "$root/var" -mindepth 1 -delete
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
find "$root/dev" -mindepth 1 -delete
