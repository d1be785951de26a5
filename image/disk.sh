#!/bin/sh
# disk.sh ARCH KEYS STEM: the disk STEM.raw (sparse) of what uki.sh made: GPT, ESP, slot a filled, slot b empty, and room behind
# them where the first boot makes the data partition. No loop device: files are written into files.
set -eu
arch=$1
keys=$2
stem=$3
image=/source/image
case $arch in
  amd64) efi=x64 boot=BOOTX64 root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709 verity_type=2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5 ;;
  arm64) efi=aa64 boot=BOOTAA64 root_type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE verity_type=DF3300CE-D69F-4C92-978C-9BFB0F38D820 ;;
esac
version=$(sed 's/.*"version": "\([^"]*\)".*/\1/' "$stem.json")
raw=$stem.raw
esp=$stem.esp

fits() { [ "$(stat -c %s "$1")" -le $(($2 * 1048576)) ] || { echo "disk.sh: $1 is larger than $2 MiB" >&2; exit 1; }; }
fits "$stem.root.erofs" 512
fits "$stem.root.verity" 16

# Sizes and names never change: an update writes into a slot, and not one octet of this table.
rm -f "$raw" "$esp"
truncate -s 4G "$raw"
sfdisk --quiet "$raw" <<END
label: gpt
label-id: 706F7374-6572-4E00-8000-000000000000
start=1MiB, size=512MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp, uuid=706F7374-6572-4E00-8000-000000000001
size=512MiB, type=$root_type, name=root-a, attrs=GUID:60, uuid=706F7374-6572-4E00-8000-000000000002
size=16MiB, type=$verity_type, name=verity-a, attrs=GUID:60, uuid=706F7374-6572-4E00-8000-000000000003
size=512MiB, type=$root_type, name=root-b, attrs=GUID:60, uuid=706F7374-6572-4E00-8000-000000000004
size=16MiB, type=$verity_type, name=verity-b, attrs=GUID:60, uuid=706F7374-6572-4E00-8000-000000000005
END

# The version that comes with the disk has no tries to count: there is no other to fall back to.
tree=$stem.esp.tree
rm -rf "$tree"
mkdir -p "$tree/EFI/BOOT" "$tree/EFI/systemd" "$tree/EFI/Linux" "$tree/loader/keys/auto" "$tree/postern"
"$image/sign.sh" "$keys" "/usr/lib/systemd/boot/efi/systemd-boot$efi.efi" "$tree/EFI/BOOT/$boot.EFI"
cp "$tree/EFI/BOOT/$boot.EFI" "$tree/EFI/systemd/systemd-boot$efi.efi"
cp "$stem.efi" "$tree/EFI/Linux/postern_$version.efi"
cp "$image/loader.conf" "$tree/loader/loader.conf"
printf '1\n' >"$tree/loader/entries.srel.tmp" && mv "$tree/loader/entries.srel.tmp" "$tree/loader/entries.srel"
for name in PK KEK db; do cp "$keys/$name.auth" "$tree/loader/keys/auto/"; done
find "$tree" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

truncate -s 512M "$esp"
mkfs.vfat --invariant -F 32 -n POSTERN-ESP -i 706f7374 "$esp" >/dev/null
mcopy -i "$esp" -s -m -Q "$tree"/* ::
dd if="$esp" of="$raw" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$stem.root.erofs" of="$raw" bs=1M seek=513 conv=notrunc,sparse status=none
dd if="$stem.root.verity" of="$raw" bs=1M seek=1025 conv=notrunc,sparse status=none
rm -rf "$tree" "$esp"
