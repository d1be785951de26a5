#!/bin/sh
# program.sh SOURCE ARCH NODE ADDONS OUT: what `make install PREFIX=/usr` puts into a system, for ARCH, as the tree OUT.
set -eu
case $2 in amd64) machine=x86_64 strip=strip ;; arm64) machine=aarch64 strip=aarch64-linux-gnu-strip ;; esac
rm -rf "$5"
mkdir -p "$5"
cd "$1"
STRIP=yes STRIP_COMMAND=$strip MACHINE=$machine NODE_PACKAGE=$3 ADDONS=$4 DESTDIR=$5 PREFIX=/usr scripts/install-tree.sh
# On a data partition there is nothing to overwrite: the settings come from the image.
lib=$5/usr/lib
mkdir -p "$lib/sysctl.d" "$lib/systemd/journald.conf.d"
mv "$5/usr/share/postern/appliance/sysctl.d/50-postern.conf" "$lib/sysctl.d/"
mv "$5/usr/share/postern/appliance/journald.conf.d/50-postern.conf" "$lib/systemd/journald.conf.d/"
rm -rf "$5/usr/share/postern/appliance"
rm -rf "$5/etc/postern/postern.toml" "$5/etc/postern/firewall.d"
