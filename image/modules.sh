#!/bin/sh
# modules.sh KERNEL ROOT LIST: puts the modules of KERNEL that LIST names, and all that those need, into ROOT.
set -eu
release=$(ls "$1/usr/lib/modules")
to=$2/usr/lib/modules/$release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$(dirname "$to")"
cp -R "$1/usr/lib/modules/$release" "$to"
depmod --basedir "$2" "$release"
# A line of modules.dep is `MODULE: WHAT IT NEEDS`, all of it and not only the next.
sed '/^#/d; s#.*#^kernel/&[/.]#' "$3" >"$work/patterns"
grep -f "$work/patterns" "$to/modules.dep" | tr -d ':' | tr ' ' '\n' | sed '/^$/d' | LC_ALL=C sort -u >"$work/wanted"
(cd "$to" && find kernel -type f | LC_ALL=C sort | LC_ALL=C comm -23 - "$work/wanted" | tr '\n' '\0' | xargs -0 rm -f)
find "$to/kernel" -depth -type d -empty -delete
depmod --basedir "$2" "$release"
