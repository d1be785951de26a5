#!/bin/sh
# lock.sh ARCH...: writes versions.lock anew, from what Debian's mirrors have today. All sets are unpacked for it, in a
# temporary folder. Lines of other processors stay.
set -eu
here=$(dirname "$0")
new=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$new" "$folder"' EXIT

for arch in "$@"; do
  for set_name in guest kernel tools; do
    LOCK=newest "$here/tree.sh" "$set_name" "$arch" "$folder/tree"
    if [ "$set_name" = kernel ]; then
      sed "s/^\(.*\)\t\(.*\)$/$set_name-$arch \1=\2/" "$folder/tree/packages" >>"$new"
    else
      dpkg-query --admindir="$folder/tree/var/lib/dpkg" -W -f "$set_name-$arch \${Package}=\${Version}\n" | LC_ALL=C sort -u >>"$new"
    fi
    rm -rf "$folder/tree"
  done
done
for arch in amd64 arm64; do
  case " $* " in *" $arch "*) ;; *) grep "^[a-z]*-$arch " "$here/versions.lock" >>"$new" || true ;; esac
done
{
  echo '# Written by `make image-lock`: SET-ARCH PACKAGE=VERSION. What is not here cannot get into an image.'
  echo "# $(date -u +%F): http://snapshot.debian.org/archive/debian/$(date -u +%Y%m%d)T000000Z/ has these versions when the mirrors have newer ones."
  LC_ALL=C sort "$new"
} >"$here/versions.lock"
