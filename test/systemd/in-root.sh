#!/bin/sh
# in-root.sh ROOT: takes the installed tree below ROOT for a whole machine, with Debian's libraries and a shell lent to it,
# in a network of its own, and has it take and deliver a mail with the settings that were installed. Run by
#     unshare --user --map-root-user --mount --net
set -eu
root=$1

for word in usr/bin/sh usr/bin/readlink etc/passwd; do
  mkdir -p "$root/$(dirname "$word")"
  : >"$root/$word"
  mount --bind "$(readlink -f "/$word")" "$root/$word"
done
mkdir -p "$root/usr/lib64" "$root/proc" "$root/dev" "$root/tmp" "$root/var/lib/postern"
triplet=$(basename "$(dirname "$(ldconfig -p | sed -n 's/.*libstdc++.so.6.*=> //p' | head -n 1)")")
mkdir -p "$root/usr/lib/$triplet"
mount --bind "/usr/lib/$triplet" "$root/usr/lib/$triplet"
[ ! -d /lib64 ] || mount --bind /lib64 "$root/usr/lib64"
for link in bin lib lib64; do [ -e "$root/$link" ] || ln -s "usr/$link" "$root/$link"; done
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
ip link set lo up

inside() { env -i PATH=/usr/bin HOME=/tmp /usr/sbin/chroot "$root" "$@"; }
inside /usr/bin/postern version
# A file that lies about in the current folder counts for nothing.
inside /usr/bin/postern settings >/dev/null
inside /usr/bin/postern start --detach
trap 'inside /usr/bin/postern stop' EXIT
inside /usr/bin/postern status
printf 'Subject: installed\n\nHello.\n' | inside /usr/lib/postern/bin/sendmail -f me@client.example alice@example.test
waited=0
until grep -rqs 'Subject: installed' "$root/var/lib/postern/mailboxes"; do
  waited=$((waited + 1))
  [ "$waited" -lt 600 ] || { echo 'the mail has not arrived'; exit 1; }
  sleep 0.1
done
echo 'delivered'
