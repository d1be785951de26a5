#!/bin/sh
# cache.sh ROOT ARCH: has Node compile the whole program in ROOT, at the place where it will run, so that no start of the
# appliance does (on a slow machine that is the most of a start). Node keeps it for its version, its flags and the number of the user.
set -eu
root=$1
folder=/usr/lib/postern/compile-cache
node=$(cd "$root" && echo usr/lib/postern/node_modules/node-linux-*/bin/node)
image=$(dirname "$0")

# In the mounts of in-tools.sh, with which they end.
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
if ! chroot "$root" "/$node" --version >/dev/null 2>&1; then
  echo "cache.sh: this machine cannot run Node for $2 (qemu-user-static and binfmt would); the first starts of the image compile" >&2
  umount "$root/dev" "$root/proc"
  exit 0
fi
cp "$image/prime.mjs" "$root/run/prime.mjs"
# The same octets each time: no random numbers, and no collection of garbage that would throw compiled functions away at
# some moment. None of these flags is part of the key that Node looks for.
NODE_COMPILE_CACHE=$folder chroot "$root" "/$node" --random-seed=42 --min-semi-space-size=256 --max-semi-space-size=512 \
  /run/prime.mjs /usr/lib/postern
rm "$root/run/prime.mjs"
umount "$root/dev" "$root/proc"

made=$(cd "$root$folder" && echo v*-0)
[ -d "$root$folder/$made" ] || { echo "cache.sh: Node left nothing in $folder" >&2; exit 1; }
# Node looks below the number of its user: the helpers of the image are root's, all else is one of ours.
for user in $(sed -n 's/^postern[a-z-]*:x:\([0-9]*\):.*/\1/p' "$root/etc/passwd"); do
  ln -s "$made" "$root$folder/${made%-0}-$user"
done
chmod -R a+rX "$root$folder"
