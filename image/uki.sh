#!/bin/sh
# uki.sh SOURCE ROOT KERNEL INITRD KEYS STEM: makes STEM.root.erofs of the tree ROOT, its hash tree STEM.root.verity, and the
# unified kernel image STEM.unsigned.efi, signed as STEM.efi, whose command line has the root hash. STEM.json tells of them.
set -eu
source=$1
root=$2
kernel=$3
initrd=$4
keys=$5
stem=$6
. "$root/usr/lib/os-release"
arch=$(sed 's/.*ARCH=\([a-z0-9]*\).*/\1/' "$root/etc/postern-release")
case $arch in amd64) efi=x64 ;; arm64) efi=aa64 ;; esac
# All that is random in these formats is made of what is known.
hash_of() { printf %s "$*" | sha256sum | cut -c1-"${length:-64}"; }
uuid_of() { length=32 hash_of "$@" | sed 's/\(.\{8\}\)\(.\{4\}\)\(.\{4\}\)\(.\{4\}\)/\1-\2-\3-\4-/'; }

rm -f "$stem".*
# lz4hc: 12 % smaller than lz4, and as fast to read; zstd takes minutes here (docs/image.md). -x-1: no extended attributes, and so no
# program with capabilities of its own (ping of Debian has one; the kernel's settings give everybody a socket of echoes).
mkfs.erofs --quiet -x-1 -zlz4hc,9 -Efragments,dedupe -T "$SOURCE_DATE_EPOCH" -U "$(uuid_of "erofs $VERSION_ID $arch")" "$stem.root.erofs" "$root" >/dev/null
salt=$(hash_of "salt $VERSION_ID $arch")
# The UUID is made of the root hash, which does not depend on it: so the initrd finds the tree that belongs to its hash.
format() {
  rm -f "$stem.root.verity"
  veritysetup format --data-block-size=4096 --hash-block-size=4096 --hash=sha256 --salt="$salt" "$@" \
    "$stem.root.erofs" "$stem.root.verity" | sed -n 's/^Root hash:[[:space:]]*//p'
}
roothash=$(format --uuid=00000000-0000-0000-0000-000000000000)
[ "$(format --uuid="$(uuid_of "$roothash")")" = "$roothash" ]
blocks=$(($(stat -c %s "$stem.root.erofs") / 4096))

# One root hash, one command line, one signature over both and the kernel.
# quiet, loglevel: the serial line is the console's. panic: what cannot start is started again, and counted.
command="roothash=$roothash postern.verity=$blocks,$salt $(sed '/^#/d' "$source/image/command-line" | paste -sd' ')"
ukify build --linux="$kernel/boot/vmlinuz-$(ls "$kernel/usr/lib/modules")" --initrd="$initrd" --cmdline="$command" \
  --os-release=@"$root/usr/lib/os-release" --uname="$(ls "$kernel/usr/lib/modules")" --efi-arch="$efi" \
  --stub="/usr/lib/systemd/boot/efi/linux$efi.efi.stub" --output="$stem.unsigned.efi" >/dev/null
"$source/image/sign.sh" "$keys" "$stem.unsigned.efi" "$stem.efi"

field() { printf '"%s": {"size": %s, "sha256": "%s"}' "$1" "$(stat -c %s "$2")" "$(sha256sum "$2" | cut -d' ' -f1)"; }
{
  printf '{"version": "%s", "arch": "%s", "rootHash": "%s", ' "$VERSION_ID" "$arch" "$roothash"
  printf '"build": "%s", "members": {' "$(sed 's/.*BUILD=//' "$root/etc/postern-release")"
  field root.erofs "$stem.root.erofs"
  printf ', '
  field root.verity "$stem.root.verity"
  printf ', '
  field postern.efi "$stem.efi"
  printf '}}\n'
} >"$stem.json"
