#!/bin/sh
# install-tree.sh: puts the program, its units and its settings below $DESTDIR, as `make install DESTDIR=… PREFIX=…` and
# `make deb` want it. $PREFIX is /usr/local unless given; STRIP=yes takes the names of functions out of Node.
# Settings that are there already are left alone. An image of another processor (image/program.sh) names it: $MACHINE,
# $NODE_PACKAGE (the folder of Node's package for it), $ADDONS (of the compiled addons), $STRIP_COMMAND.
set -eu
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
dest=${DESTDIR:-}
case $prefix in /*) ;; *) echo "install-tree.sh: PREFIX must begin with /, and is '$prefix'" >&2; exit 64 ;; esac
case $prefix in *[!A-Za-z0-9/._+-]*) echo "install-tree.sh: PREFIX may have letters, digits and / . _ + - only" >&2; exit 64 ;; esac
prefix=${prefix%/}
lib=$dest$prefix/lib/postern
umask 022

# First of all, since it fails where packages are missing.
packages=$(node_modules/.bin/node scripts/production-packages.js)
# A tree of an earlier release is replaced as a whole: a module that is gone must not stay.
rm -rf "$lib"
install -d "$lib/bin" "$lib/build/Release" "$lib/node_modules/.bin" "$dest$prefix/bin"
cp -P bin/* "$lib/bin/"
cp -R src package.json "$lib/"
addons=${ADDONS:-build/Release}
install -m 644 "$addons/postern.node" "$addons/postern_host.node" "$addons/postern_pattern.node" "$lib/build/Release/"

# What runs, and nothing that only compiles or tests. package-lock.json knows which is which.
for package in $packages; do
  case $package in node_modules/node-linux-*) continue ;; esac
  install -d "$lib/$(dirname "$package")"
  cp -R "$package" "$lib/$package"
done
machine=${MACHINE:-$(uname -m)}
case $machine in x86_64) arch=x64 ;; aarch64 | arm64) arch=arm64 ;; *) echo "no Node for $machine" >&2; exit 1 ;; esac
node=$lib/node_modules/node-linux-$arch
cp -R "${NODE_PACKAGE:-node_modules/node-linux-$arch}" "$node"
# Headers, manuals, the sources and other machines' builds of SQLite's binding, types and maps of sources: nothing of
# it is ever opened.
rm -rf "$node/include" "$node/share" "$node/CHANGELOG.md" "$lib/node_modules/better-sqlite3/deps" \
  "$lib/node_modules/better-sqlite3/src"
find "$lib/node_modules/better-sqlite3/prebuilds" -mindepth 1 -maxdepth 1 ! -name "linux-$arch*" -exec rm -rf {} +
find "$lib/node_modules" -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' -o -name '*.tsbuildinfo' -o -name '*.html' -o -name '.[a-z]*' \) -delete
find "$lib/node_modules" -depth -type d \( -name test -o -name tests -o -name benchmark -o -name benchmarks -o -name .github -o -name .husky -o -name __tests__ -o -name docs -o -name examples -o -name scripts -o -name integration \) \
  -exec rm -rf {} +
# The tools find their settings by it, whatever folder they are called in.
ln -s /etc/postern/postern.toml "$lib/installed.toml"
ln -s "../node-linux-$arch/bin/node" "$lib/node_modules/.bin/node"
[ "${STRIP:-no}" != yes ] || find "$node/bin/node" "$lib" -type f \( -path "$node/bin/node" -o -name '*.node' \) -exec "${STRIP_COMMAND:-strip}" --strip-unneeded {} +
find "$lib" -type f -exec chmod 644 {} +
find "$lib" -type d -exec chmod 755 {} +
find "$lib/bin" -type f -exec chmod 755 {} +
chmod 755 "$node/bin/node"
ln -sfn ../lib/postern/bin/postern "$dest$prefix/bin/postern"

# put FILE TO MODE: with the prefix in it that it is installed with.
put() {
  install -d "$dest$(dirname "$2")"
  sed "s#/usr/lib/postern#$prefix/lib/postern#g; s#/usr/share/postern#$prefix/share/postern#g; s#/usr/share/doc/postern#$prefix/share/doc/postern#g; s#/usr/lib/systemd/system/postern#$prefix/lib/systemd/system/postern#g" \
    "systemd/$1" >"$dest$2"
  chmod "$3" "$dest$2"
}
for unit in systemd/*.service systemd/*.socket systemd/*.slice systemd/*.timer; do
  unit=${unit#systemd/}
  put "$unit" "$prefix/lib/systemd/system/$unit" 644
done
put postern-generator "$prefix/lib/systemd/system-generators/postern-generator" 755
put postern.sysusers "$prefix/lib/sysusers.d/postern.conf" 644
put postern.tmpfiles "$prefix/lib/tmpfiles.d/postern.conf" 644
put postern.sysctl "$prefix/share/postern/appliance/sysctl.d/50-postern.conf" 644
put journald.conf "$prefix/share/postern/appliance/journald.conf.d/50-postern.conf" 644
install -d "$dest$prefix/share/snmp/mibs"
install -m 644 mibs/POSTERN-MIB.txt "$dest$prefix/share/snmp/mibs/"
install -d "$dest$prefix/share/doc/postern"
cp docs/*.md README.md CHANGELOG.md "$dest$prefix/share/doc/postern/"
chmod 644 "$dest$prefix"/share/doc/postern/*

install -d "$dest/etc/postern/firewall.d"
[ -e "$dest/etc/postern/postern.toml" ] || put postern.toml /etc/postern/postern.toml 640
[ -e "$dest/etc/postern/firewall.nft" ] || put firewall.nft /etc/postern/firewall.nft 644
