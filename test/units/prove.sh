#!/bin/sh
# Proves the package and its units under a systemd that has booted: a fresh Debian in a container with a network of its own
# (systemd-nspawn), the package installed and started there, and mail sent without a pause while everything is reloaded,
# restarted and killed (guest.mjs); and snmpd, in the sandbox that the image has for it, tells our rows (guest-snmp.mjs); and disks are asked
# for their health (guest-disk.mjs). Needs root, debootstrap and systemd-container; a few minutes.
#
#   test/units/prove.sh             a fresh Debian 12 (SUITE=trixie for 13)
#   KEEP=1 test/units/prove.sh      leaves the folder behind
#   ROOT=FOLDER test/units/prove.sh uses a Debian that is there already, and changes it
set -eu
cd "$(dirname "$0")/../.."

[ "$(id -u)" = 0 ] || { echo 'A machine can only be booted by root.' >&2; exit 1; }
for tool in systemd-nspawn nsenter setsid; do
  command -v "$tool" >/dev/null || { echo "$tool is needed on this machine (apt install systemd-container)." >&2; exit 1; }
done
began=$(date +%s)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/postern-units.XXXXXX")
machine=''
cleanup() {
  # Its first process, which ends all others of the machine with it.
  [ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || true
  [ "${KEEP:-}" = 1 ] && echo "Left behind: $work" || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
say() { echo "[$(($(date +%s) - began)) s] $*"; }

root=${ROOT:-$work/root}
if [ ! -d "$root/etc" ]; then
  say "a fresh Debian (${SUITE:-bookworm})"
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n -e 's/^URIs: *\(http[^ ]*debian\)\/\{0,1\}$/\1/p' -e 's/^deb .*\(http[^ ]*debian\)\/\{0,1\} .*/\1/p' | head -n 1)
  hs=libhyperscan5
  [ "${SUITE:-bookworm}" = bookworm ] || hs=libvectorscan5
  # The quicker one of the two, where it is there.
  make=debootstrap
  ! command -v mmdebstrap >/dev/null || make=mmdebstrap
  "$make" --variant=minbase --include="systemd-sysv,dbus,iproute2,libatomic1,libstdc++6,$hs,snmpd,snmp,smartmontools" \
    "${SUITE:-bookworm}" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
fi
say 'the package'
package=$(DEB_LEVEL=0 scripts/deb.sh "$work")
cp "$package" "$root/root/postern.deb"
cp test/units/*.mjs "$root/root/"
# Nothing of snmpd runs before it has users (docs/snmp.md); its sandbox is that of the image.
cp -R image/overlay/usr/lib/systemd/system/snmpd.service.d "$root/etc/systemd/system/"

say 'it boots'
setsid systemd-nspawn --quiet -D "$root" --machine=postern-units --private-network --register=no --keep-unit -b \
  >"$work/boot.log" 2>&1 </dev/null &
container=$!
waited=0
until machine=$(pgrep -P "$container" | head -n 1) && [ -n "$machine" ]; do
  waited=$((waited + 1))
  [ "$waited" -lt 100 ] || { cat "$work/boot.log" >&2; exit 1; }
  sleep 0.1
done
inside() { nsenter -t "$machine" --all "$@"; }
until inside systemctl is-system-running --wait >/dev/null 2>&1; do
  waited=$((waited + 1))
  [ "$waited" -lt 600 ] || { cat "$work/boot.log" >&2; exit 1; }
  sleep 0.1
done
inside ip link set lo up
inside dpkg -i /root/postern.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; exit 1; }
say 'it is installed; systemctl enable --now'
inside systemctl enable --now postern.socket postern.service || { inside journalctl --no-pager -n 100 >&2; exit 1; }
inside postern status
say "exposure, by $(inside systemctl --version | head -n 1)"
# As test/systemd/units.test.ts has it with the systemd of the machine: tenths.
for bound in postern:5 postern-smtpd@:12 postern-qmgr:12 postern-directory:12 postern-health:12 postern-mailbox:12 \
  postern-console@:20 postern-firewall:20 postern-disk@:20; do
  unit=/usr/lib/systemd/system/${bound%:*}.service
  told=$(inside systemd-analyze security --offline=true --no-pager --threshold="${bound##*:}" "$unit") || { echo "$told" >&2; exit 1; }
  echo "$told" | tail -n 1
done
# With what the image lays over it, as it runs.
told=$(inside systemd-analyze security --no-pager --threshold=20 snmpd.service) || { echo "$told" >&2; exit 1; }
echo "$told" | tail -n 1
for guest in guest-snmp guest-disk guest; do
  say "$guest"
  inside /usr/lib/postern/node_modules/.bin/node "/root/$guest.mjs" || { inside journalctl --no-pager -n 200 >&2; exit 1; }
done
say 'proved'
