#!/bin/sh
# tree.sh SET ARCH FOLDER: unpacks the packages of a SET (guest, kernel, tools) into FOLDER, in the versions that
# versions.lock names and no others. With LOCK=newest it takes what the mirror has instead.
set -eu
here=$(dirname "$0")
set_name=$1
arch=$2
folder=$3
mirror=${IMAGE_MIRROR:-http://deb.debian.org/debian}
security=${IMAGE_SECURITY_MIRROR:-http://deb.debian.org/debian-security}
host=$(dpkg --print-architecture)

packages=$(sed -n "s/^\($set_name\|$set_name-$arch\) //p" "$here/packages.list" | tr ' ' '\n' | paste -sd,)
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
if [ "${LOCK:-strict}" = strict ]; then
  # What is not in the list has no version that apt would take.
  printf 'Package: *\nPin: release *\nPin-Priority: -1\n' >"$pins"
  sed -n "s/^$set_name-$arch \([^=]*\)=\(.*\)$/\nPackage: \1\nPin: version \2\nPin-Priority: 1001/p" "$here/versions.lock" >>"$pins"
fi

case $set_name in
  guest) set -- --variant=essential --architectures="$arch" ;;
  # dpkg never hears of a kernel that is only unpacked: what was unpacked is noted beside it.
  kernel) set -- --variant=extract --architectures="$arch" --extract-hook='for deb in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -W "$deb"; done >"$1/packages"' ;;
  tools) if [ "$arch" = "$host" ]; then set -- --variant=apt; else set -- --variant=apt --architectures="$host,$arch"; fi ;;
esac
# Users are numbered by us: what they own lies on the data partition, and outlives this root.
[ "$set_name" != guest ] || set -- "$@" --essential-hook="$here/users.sh \"\$1\""

rm -rf "$folder"
if ! mmdebstrap --quiet --mode=root --components=main "$@" \
  --setup-hook="install -D -m 644 $pins \"\$1/etc/apt/preferences.d/lock\"" \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --include="$packages" trixie "$folder" \
  "deb $mirror trixie main" "deb $mirror trixie-updates main" "deb $security trixie-security main"; then
  echo "tree.sh: $set_name for $arch could not be made (above: why). If a version of image/versions.lock is no longer on the mirror:" >&2
  echo "make image-lock takes today's; IMAGE_MIRROR=http://snapshot.debian.org/archive/debian/DATE/ has those of that day." >&2
  exit 1
fi
rm -f "$folder/etc/apt/preferences.d/lock"
