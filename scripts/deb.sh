#!/bin/sh
# deb.sh FOLDER: makes FOLDER/postern_VERSION_ARCH.deb of the same tree as `make install`. It needs no root, and the same
# sources, addon and packages give the same bytes: times are those of the last commit, or $SOURCE_DATE_EPOCH.
set -eu
cd "$(dirname "$0")/.."

out=$1
version=$(node_modules/.bin/node -p 'JSON.parse(require("fs").readFileSync("package.json", "utf8")).version')
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
fi
export SOURCE_DATE_EPOCH
arch=$(dpkg --print-architecture)
maintainer=${DEB_MAINTAINER:-Postern maintainers <maintainers@postern.invalid>}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

STRIP=${STRIP:-yes} DESTDIR=$tree PREFIX=/usr scripts/install-tree.sh

install -d "$tree/DEBIAN" "$tree/usr/share/doc/postern"
cp systemd/deb/copyright "$tree/usr/share/doc/postern/copyright"
chmod 644 "$tree/usr/share/doc/postern/copyright"
install -D -m 644 systemd/deb/lintian-overrides "$tree/usr/share/lintian/overrides/postern"
{
  printf 'postern (%s) stable; urgency=medium\n\n  * What has changed is in CHANGELOG.md beside this file.\n\n' "$version"
  printf ' -- %s  %s\n' "$maintainer" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$tree/usr/share/doc/postern/changelog.gz"
chmod 644 "$tree/usr/share/doc/postern/changelog.gz"
for script in postinst prerm postrm; do install -m 755 "systemd/deb/$script" "$tree/DEBIAN/$script"; done
printf '%s\n' /etc/postern/postern.toml /etc/postern/firewall.nft >"$tree/DEBIAN/conffiles"

# One name of the library, two packages of it; the versions are those that Debian 12 and later have.
cat >"$tree/DEBIAN/control" <<END
Package: postern
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size "$tree" | cut -f1)
Depends: libvectorscan5 | libhyperscan5, libpcre2-8-0, libc6 (>= 2.36), libstdc++6 (>= 12), libgcc-s1, libatomic1, systemd (>= 252)
Recommends: nftables, ca-certificates
Suggests: smartmontools, snmpd
Section: mail
Priority: optional
Description: hardened mail appliance: verdict before 250, 250 means on disk
 Postern takes mail over SMTP, judges it while its bytes arrive, keeps it in a
 durable queue, and hands it on over LMTP or SMTP. It reads Zimbra's directory
 and has the tools of Postfix and Zimbra.
 .
 Nothing is started by the installation: see /usr/share/doc/postern/install.md.
END
(cd "$tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' md5sum) >"$tree/DEBIAN/md5sums"
chmod 644 "$tree/DEBIAN/control" "$tree/DEBIAN/conffiles" "$tree/DEBIAN/md5sums"
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
# One thread: xz cuts its work otherwise where there are more, and the bytes differ.
case ${DEB_LEVEL:-6} in 0) form="-Zgzip -z1" ;; *) form="-Zxz -z${DEB_LEVEL:-6}" ;; esac
# shellcheck disable=SC2086 # two words
dpkg-deb --root-owner-group --threads-max=1 $form --build "$tree" "$out/postern_${version}_$arch.deb" >/dev/null
echo "$out/postern_${version}_$arch.deb"
