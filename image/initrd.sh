#!/bin/sh
# initrd.sh SOURCE ROOT BUSYBOX WORK OUT: the initrd, as a cpio archive: the script image/initrd/init, BUSYBOX (a static
# one), dmsetup and blkid of the ROOT with their libraries, and the modules of image/initrd/modules.list.
set -eu
source=$1
root=$2
busybox=$3
work=$4
out=$5

rm -rf "$work"
mkdir -p "$work/bin" "$work/usr/lib"
ln -s usr/lib "$work/lib"
install -m 755 "$source/image/initrd/init" "$work/init"
install -m 755 "$busybox" "$work/bin/busybox"

# Programs with the libraries that they name, and what those name.
take() {
  [ ! -e "$work/$1" ] || return 0
  mkdir -p "$work/$(dirname "$1")"
  cp -L "$root/$1" "$work/$1"
  for library in $(objdump -p "$root/$1" | awk '/NEEDED/ { print $2 }'); do
    for folder in usr/lib/*-linux-gnu; do take "$folder/$library"; done
  done
}
cd "$root"
for program in dmsetup blkid; do
  take "usr/sbin/$program"
  mv "$work/usr/sbin/$program" "$work/bin/"
done
for loader in lib64/ld-linux-x86-64.so.2 lib/ld-linux-aarch64.so.1; do
  [ -e "$root/$loader" ] || continue
  mkdir -p "$work/$(dirname "$loader")"
  cp -L "$root/$loader" "$work/$loader"
done

# The modules unpacked, since busybox knows neither their compression nor has any need of it: the whole is compressed.
version=$(ls "$root/usr/lib/modules")
modules=$root/usr/lib/modules/$version
wanted=$(sed '/^#/d' "$source/image/initrd/modules.list")
for module in $wanted; do
  modprobe --dirname "$root" --set-version "$version" --show-depends --ignore-install "$module" 2>/dev/null || true
done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
  target=$work/usr/lib/modules/$version/${file##*/modules/"$version"/}
  mkdir -p "$(dirname "$target")"
  case $file in *.xz) xz -dc "$file" >"${target%.xz}" ;; *.zst) zstd -qdc "$file" >"${target%.zst}" ;; *) cp "$file" "$target" ;; esac
done
cp "$modules/modules.builtin" "$modules/modules.order" "$work/usr/lib/modules/$version/"
depmod --basedir "$work" "$version" 2>/dev/null
echo "$wanted" >"$work/modules"

# One time, one owner, one order: the same files give the same octets.
find "$work" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
cd "$work"
find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible | zstd -q -19 -T1 >"$out"
