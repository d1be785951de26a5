#!/bin/sh
# Proves the two commands where nothing is installed yet: a fresh Debian 12 with git, make, Node 20 and npm, and
# curl for the first mail. Builds it with debootstrap from the mirror that this machine uses, clones the last
# commit into it, and runs test/fresh/inside.sh there. Needs root and debootstrap.
#
#   test/fresh/prove.sh            both commands
#   test/fresh/prove.sh run        only `make run`, the first mail, Ctrl-C and the second start
#   AS=user test/fresh/prove.sh    as a user who is not root but may use sudo
#   KEEP=1 test/fresh/prove.sh     leaves the folder behind
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
suite=bookworm

[ "$(id -u)" = 0 ] || { echo 'A fresh root can only be made by root.' >&2; exit 1; }
for tool in debootstrap unshare chroot git node npm; do
  command -v "$tool" >/dev/null || { echo "$tool is needed on this machine." >&2; exit 1; }
done

# Both forms of a sources list name the mirror: "URIs: http…" and "deb [options] http… suite".
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -n -e 's/^URIs: *\(http[^ ]*debian\)\/\{0,1\}$/\1/p' -e 's/^deb .*\(http[^ ]*debian\)\/\{0,1\} .*/\1/p' | head -n 1)
[ -n "$mirror" ] || { echo 'No Debian mirror in /etc/apt/sources.list*.' >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/var/tmp}/postern-fresh.XXXXXX")
root=$work/root
cleanup() { [ "${KEEP:-}" = 1 ] && echo "Left behind: $root" || rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 130' INT TERM

case ${AS:-root} in
  root) home=/root extra='' ;;
  user) home=/home/dev extra=,sudo ;;
  *) echo 'AS is root or user.' >&2; exit 64 ;;
esac

echo "Fresh $suite in $root"
debootstrap --variant=minbase --include="git,make,curl,ca-certificates$extra" "$suite" "$root" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }

# How this machine reaches the world: proxies, mirrors, certificates. Not what it has installed.
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
rm -f "$root"/etc/apt/apt.conf.d/*postgresql* "$root"/etc/apt/apt.conf.d/*packagekit* "$root"/etc/apt/apt.conf.d/50appstream
rm -f "$root/etc/ssl/certs/ca-certificates.crt"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
if [ "$home" != /root ]; then
  chroot "$root" useradd --create-home --shell /bin/bash dev
  echo 'dev ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/dev"
fi
[ -f "$HOME/.npmrc" ] && cp "$HOME/.npmrc" "$root$home/.npmrc"
printf 'deb %s %s main\n' "$mirror" "$suite" >"$root/etc/apt/sources.list"

# Node (not the one that `make` brings along) and npm, as nodejs.org's archive would put them.
node_bin=$(readlink -f "$(PATH=$(echo "$PATH" | sed "s|$repo/node_modules/.bin:||g") command -v node)")
npm_dir=$(cd "$(dirname "$(readlink -f "$(command -v npm)")")/.." && pwd)
mkdir -p "$root/usr/local/lib/node_modules"
cp "$node_bin" "$root/usr/local/bin/node"
cp -a "$npm_dir" "$root/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"

git clone -q --no-hardlinks "$repo" "$root$home/postern"
[ "$home" = /root ] || chroot "$root" chown -R dev:dev "$home"

# A mount and a pid namespace of its own: whatever is left running at the end ends with it.
exec_inside='
# A mount point, or no process inside could have a mount namespace of its own (a peer of the tests wants one).
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sys "$1/sys" 2>/dev/null || true
mount --rbind /dev "$1/dev"
exec chroot --userspec="$4" "$1" env HOME="$3" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /bin/bash "$3/postern/test/fresh/inside.sh" "$2"
'
user=$([ "$home" = /root ] && echo root:root || echo dev:dev)
unshare --mount --pid --fork --kill-child sh -c "$exec_inside" sh "$root" "${1:-all}" "$home" "$user"
