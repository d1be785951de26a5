#!/bin/sh
# tree.sh SET ARCH FOLDER: unpacks the packages of a SET (guest, kernel, tools) into FOLDER, in the versions that
# versions.lock names and no others. With LOCK=newest it takes what the mirror has instead. Exit code 75: Debian's mirror cannot be
# reached, or no longer has one of these versions.
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
said=$(mktemp)
trap 'rm -f "$pins" "$said"' EXIT
# EX_TEMPFAIL: nothing is wrong with the sources; what they are built of cannot be had here and now.
NOT_THERE=75
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

# A build that was killed may have left /dev and /proc mounted in it.
rm -rf --one-file-system "$folder"
# What apt says is only told where it fails.
if ! mmdebstrap --mode=root --components=main "$@" \
  --setup-hook="install -D -m 644 $pins \"\$1/etc/apt/preferences.d/lock\"" \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --include="$packages" trixie "$folder" \
  "deb $mirror trixie main" "deb $mirror trixie-updates main" "deb $security trixie-security main" >"$said" 2>&1; then
  tail -n 60 "$said" >&2
  echo "tree.sh: $set_name for $arch could not be made (above: why)." >&2
  for place in "$mirror/dists/trixie" "$security/dists/trixie-security"; do
    /usr/lib/apt/apt-helper download-file "$place/InRelease" "$pins" >/dev/null 2>&1 && continue
    echo "tree.sh: $place cannot be reached: IMAGE_MIRROR and IMAGE_SECURITY_MIRROR name another" >&2
    exit "$NOT_THERE"
  done
  if grep -Eq 'Failed to fetch|Unable to fetch|no installation candidate|not going to be installed|not installable|unmet dependencies|was not found' "$said"; then
    echo 'tree.sh: the mirror has not what image/versions.lock names, if a line above says so: make image-lock takes what Debian has' >&2
    echo 'today; IMAGE_MIRROR=http://snapshot.debian.org/archive/debian/DATE/ has what it had on the day of the lock.' >&2
    exit "$NOT_THERE"
  fi
  exit 1
fi
rm -f "$folder/etc/apt/preferences.d/lock"
