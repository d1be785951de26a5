#!/bin/sh
# networkd.sh FOLDER: run in namespaces of its own (unshare): two interfaces, and Debian's systemd-networkd with the files
# *.network of FOLDER. Prints addresses and routes when those are there, and what it said.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
folder=$1

# It becomes a user that is nobody here.
printf 'root:x:0:0::/root:/bin/sh\nsystemd-network:x:0:0::/:/bin/sh\n' >"$folder/passwd"
printf 'root:x:0:\nsystemd-network:x:0:\n' >"$folder/group"
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/group" /etc/group
mount -t tmpfs tmpfs /run
# A /sys that is only read: it then waits for no udev.
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
cp "$folder"/*.network /run/systemd/network/

ip link set lo up
ip link add eth0 type veth peer name far0
ip link add eth1 address 52:54:00:ab:cd:ef type veth peer name far1
for name in far0 far1; do ip link set "$name" up; done

SYSTEMD_LOG_LEVEL=info /lib/systemd/systemd-networkd >"$folder/said" 2>&1 &
networkd=$!
tries=0
until ip -6 route show default | grep -q . && ip link show eth1 | grep -q 'state UP'; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || break
  sleep 0.1
done
ip -o address show dev eth0
ip -o address show dev eth1
ip route
ip -6 route show default
kill "$networkd"
wait "$networkd" || true
cat "$folder/said"
