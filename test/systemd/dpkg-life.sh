#!/bin/sh
# dpkg-life.sh PACKAGE FOLDER: installs the package, upgrades to it, removes and purges it, with all of its scripts, on a copy of
# this machine's file system, mounted at FOLDER, that is gone afterwards. As root, run by
#     unshare --mount --net
set -eu
package=$1

mount --make-rprivate /
copy=$2
mount -t tmpfs tmpfs "$copy"
mkdir "$copy/upper" "$copy/scratch" "$copy/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$copy/upper,workdir=$copy/scratch" "$copy/root"
cp "$package" "$copy/root/postern.deb"
mount -t tmpfs tmpfs "$copy/root/run"
mount -t tmpfs tmpfs "$copy/root/tmp"
mount -t proc proc "$copy/root/proc"
mount --rbind /dev "$copy/root/dev"

inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive /usr/sbin/chroot "$copy/root" "$@"; }
say() { echo "== $*"; }
inside dpkg -i /postern.deb
say "user $(inside id -un postern)"
say "data $(inside stat -c '%a %U' /var/lib/postern)"
say "queue $(inside stat -c '%a %U %G' /var/lib/postern/queue)"
say "mailboxes $(inside stat -c '%a %U %G' /var/lib/postern/mailboxes)"
say "settings $(inside stat -c '%a %U %G' /etc/postern/postern.toml)"
say "enabled $(inside systemctl --root=/ is-enabled postern.service postern.socket postern-firewall.service 2>&1 | tr '\n' ' ')"
say "runs $(inside postern version)"
inside sh -c 'echo "# ours" >>/etc/postern/postern.toml; echo mail >/var/lib/postern/mail'
inside dpkg -i /postern.deb
say "after an upgrade: $(inside tail -n 1 /etc/postern/postern.toml)"
inside dpkg -r postern
say "after removal: $(inside sh -c 'ls /etc/postern/postern.toml /var/lib/postern/mail; ls -d /usr/lib/postern 2>&1')"
inside dpkg -P postern
say "after purge: $(inside sh -c 'ls /var/lib/postern; ls -d /etc/postern 2>&1')"
inside dpkg -i /postern.deb >/dev/null
inside touch /var/lib/postern/DELETE-ON-PURGE
inside dpkg -P postern
say "after a purge of everything: $(inside sh -c 'ls -d /var/lib/postern 2>&1')"
