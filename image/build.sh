#!/bin/sh
# build.sh VERSION ARCH OUT: the image, OUT/postern-VERSION-ARCH.raw, and the pieces that an update is packed of. As root, since trees
# are made that belong to root; what was unpacked and compiled before is used again while it would be the same.
set -eu
cd "$(dirname "$0")/.."
version=$1
arch=$2
out=$3
case $version in *[!0-9A-Za-z.~-]* | '') echo "build.sh: a version has letters, digits and . ~ - only; this is '$version'" >&2; exit 64 ;; esac
case $arch in amd64 | arm64) ;; *) echo "build.sh: ARCH is amd64 or arm64, not '$arch'" >&2; exit 64 ;; esac
[ "$(id -u)" = 0 ] || { echo 'build.sh: the files of the root belong to root, so only root can make them' >&2; exit 1; }
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH

cache=$PWD/build/image/cache/$arch
work=$PWD/build/image/made/$arch
keys=${IMAGE_KEYS:-image/keys}
mkdir -p "$cache" "$work" "$out"
step() { echo "image: $(($(date +%s) - began)) s: $*"; }
began=$(date +%s)

step "Debian 13 for $arch"
for set_name in tools kernel guest; do
  # Of the lists what belongs to this set: another package of the root is no reason to unpack a compiler again.
  grep -h "^$set_name[- ]" image/packages.list image/versions.lock >"$cache/$set_name.wanted"
  scripts/once.sh "$cache/$set_name.stamp" "$cache/$set_name.wanted" image/tree.sh image/users.sh -- \
    image/tree.sh "$set_name" "$arch" "$cache/$set_name"
done
tools() { image/in-tools.sh "$cache/tools" "$PWD" "$work" "$@"; }
inside=/source/build/image/cache/$arch

step 'Node and the addons'
scripts/once.sh "$cache/node.stamp" package-lock.json image/node.sh -- image/node.sh "$arch" "$cache/node"
# shellcheck disable=SC2046 -- names of ours
scripts/once.sh "$cache/addon.stamp" "$cache/tools.wanted" image/addon.sh package-lock.json binding.gyp \
  $(find native -name '*.cc' -o -name '*.h') -- \
  image/in-tools.sh "$cache/tools" "$PWD" "$work" image/addon.sh /source "$arch" "$inside/node" /tmp/addon /made/addon

step 'the root'
# Public keys of updates are part of the root; docs/update.md.
node_modules/.bin/node scripts/update-key.ts "$keys" >/dev/null
rm -rf "$work/update-keys"
mkdir -p "$work/update-keys"
cp "$keys"/update*.pem "$work/update-keys/"
tools image/program.sh /source "$arch" "$inside/node" /made/addon /made/program
tools image/root.sh /source "$inside/guest" "$inside/kernel" /made/program "$version" "$arch" /made/root
scripts/once.sh "$cache/initrd.stamp" "$cache/guest.wanted" "$cache/kernel.wanted" "$cache/tools.wanted" image/initrd.sh image/initrd/init image/initrd/modules.list -- \
  image/in-tools.sh "$cache/tools" "$PWD" "$work" \
  image/initrd.sh /source /made/root "$inside/guest/usr/bin/busybox" /tmp/initrd /made/initrd.zst

step 'the disk'
stem=postern-$version-$arch
rm -rf "$work/keys"
mkdir -p "$work/keys"
cp "$keys"/*.* "$work/keys/"
tools image/keys.sh /made/keys
# Made just now: they stay, so that what is built next can follow on this.
cp -n "$work/keys"/*.* "$keys/"
tools image/uki.sh /source /made/root "$inside/kernel" /made/initrd.zst /made/keys "/made/$stem"
tools image/disk.sh "$arch" /made/keys "/made/$stem"
node_modules/.bin/node image/sbom.mjs "$version" "$arch" "$cache" "$work/$stem.spdx.json"
mv "$work/$stem".* "$out/"
step "done: $out/$stem.raw"
