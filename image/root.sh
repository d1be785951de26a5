#!/bin/sh
# root.sh SOURCE BASE KERNEL PROGRAM VERSION ARCH OUT: the tree of the root, from Debian's packages (BASE), the KERNEL's modules,
# our PROGRAM and image/overlay. Run among the tools, as root.
set -eu
image=$1/image
base=$2
kernel=$3
program=$4
version=$5
arch=$6
out=$7

rm -rf "$out"
cp -a "$base" "$out"
"$image/prune.sh" "$out" "$image/prune.list"

"$image/modules.sh" "$kernel" "$out" "$image/modules.list"

cp -R "$program/." "$out/"
cp -R --no-dereference --remove-destination "$image/overlay/." "$out/"
chown -hR 0:0 "$out/usr/lib/postern" "$out/usr/lib/postern-image" "$out/etc/postern"
# The image's version is the program's: what `postern --version`, the console and SNMP tell.
sed -i 's#^  "version": ".*",$#  "version": "'"$version"'",#' "$out/usr/lib/postern/package.json"
grep -q "\"version\": \"$version\"" "$out/usr/lib/postern/package.json"
# What was compiled comes with the image, for every user (cache.sh).
sed -i 's#NODE_COMPILE_CACHE=[^ ]*#NODE_COMPILE_CACHE=/usr/lib/postern/compile-cache#' "$out/usr/lib/systemd/system"/postern*.service
# /etc cannot be changed at a start; it is as it is meant to be.
sed -i '\# /etc/#d' "$out/usr/lib/tmpfiles.d/postern.conf"
install -d -m 750 -g 970 "$out/etc/postern/directory"
# Users without a number of their own would get one by chance, and what they own lies on the data partition.
for user in $(sed -n 's/^[ug] \([^ ]*\).*/\1/p' "$out/usr/lib/sysusers.d/postern.conf"); do
  grep -q "^$user:" "$out/etc/group" || { echo "root.sh: $user has no number in image/users.sh" >&2; exit 1; }
done
install -D -m 644 -t "$out/usr/lib/postern/update-keys" /made/update-keys/*.pem
sed '/^#/d' "$image/masked.list" | while read -r unit; do ln -sfn /dev/null "$out/etc/systemd/system/$unit"; done
rm -rf "$out/etc/systemd/system/"*.wants "$out/etc/systemd/system/"*.requires
systemctl --root="$out" preset-all --preset-mode=full >/dev/null 2>&1

# Nobody has a password; a date of change would be the day of the build.
cut -d: -f1 "$out/etc/passwd" | sed 's/$/:!*:1::::::/' >"$out/etc/shadow"
cut -d: -f1 "$out/etc/group" | sed 's/$/:!*::/' >"$out/etc/gshadow"
sed -i 's#:[^:]*$#:/usr/sbin/nologin#' "$out/etc/passwd"
chmod 640 "$out/etc/shadow" "$out/etc/gshadow"
chown 0:970 "$out/etc/postern"
chmod 751 "$out/etc/postern"
for folder in dev efi proc run root sys tmp var; do mkdir -p "$out/$folder"; done
chmod 700 "$out/root"
chmod 1777 "$out/tmp"

cat >"$out/usr/lib/os-release" <<END
NAME=Postern
ID=postern
ID_LIKE=debian
PRETTY_NAME="Postern $version"
VERSION_ID=$version
IMAGE_ID=postern
IMAGE_VERSION=$version
END
ln -sfn ../usr/lib/os-release "$out/etc/os-release"
"$image/cache.sh" "$out" "$arch"
build=$(cd "$out" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
printf 'VERSION=%s ARCH=%s BUILD=%s\n' "$version" "$arch" "$build" >"$out/etc/postern-release"
"$image/forbidden.sh" "$out"
