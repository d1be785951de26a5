#!/bin/sh
# forbidden.sh ROOT: fails, with a sentence, where something is in the root that must never be.
set -eu
cd "$1"
bad=0
complain() { echo "image: $*" >&2; bad=1; }

found=$(find . -xdev -type f -perm /6000) && [ -z "$found" ] || complain "set-id files: $found"
found=$(find . -xdev -type f -perm -o+w) && [ -z "$found" ] || complain "files that anybody may write: $found"
for name in perl 'perl5*' 'python*' bash sshd ssh dropbear telnetd gcc cc make apt dpkg su sudo login agetty sulogin gdb strace; do
  found=$(find usr/bin usr/sbin usr/lib/postern/bin -name "$name")
  [ -z "$found" ] || complain "a program that nobody needs: $found"
done
found=$(cut -d: -f1,2 etc/shadow | grep -v ':!\*$' || true)
[ -z "$found" ] || complain "a user with a password: ${found%%:*}"
found=$(grep -v ':/usr/sbin/nologin$' etc/passwd || true)
[ -z "$found" ] || complain "a user with a shell: ${found%%:*}"
for unit in serial-getty@.service getty@.service debug-shell.service; do
  [ "$(readlink "etc/systemd/system/$unit")" = /dev/null ] || complain "$unit is not masked"
done
# A program whose library was pruned would be found missing only when somebody needs it.
for program in usr/lib/postern/node_modules/node-linux-*/bin/node usr/sbin/unbound usr/sbin/chronyd usr/sbin/snmpd usr/sbin/nft usr/bin/ping \
  usr/lib/postern/build/Release/postern.node usr/sbin/fsck.ext4 usr/bin/systemd-repart usr/bin/systemd-cryptsetup; do
  for library in $(objdump -p "$program" | awk '/NEEDED/ { print $2 }'); do
    [ -n "$(find usr/lib -name "$library")" ] || complain "$program needs $library"
  done
done
exit "$bad"
