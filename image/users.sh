#!/bin/sh
# users.sh ROOT: the users of the root, with numbers that never change, before any package chooses one. Nobody of them has
# a password or a shell, root neither.
set -eu
root=$1

add() {
  printf '%s:x:%s:%s::%s:/usr/sbin/nologin\n' "$1" "$2" "$2" "$3" >>"$root/etc/passwd"
  printf '%s:x:%s:\n' "$1" "$2" >>"$root/etc/group"
}
add systemd-network 960 /
add unbound 962 /nonexistent
add _chrony 963 /var/lib/chrony
add Debian-snmp 964 /var/lib/snmp
add clamav 965 /var/lib/clamav
add postern 970 /var/lib/postern
add postern-smtpd 971 /var/lib/postern
add postern-health 972 /var/lib/postern
add postern-mailbox 973 /var/lib/postern
add postern-disk 976 /
printf '%s\n' systemd-journal:x:961: postern-tls:x:974: postern-log:x:975: >>"$root/etc/group"
