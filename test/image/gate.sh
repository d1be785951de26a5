#!/bin/sh
# gate.sh: builds the image, starts it in QEMU, brings a mail through it, drives the console over the serial line and updates it, where
# what that depends on (image/digest.sh) has changed since test/image/proved.txt was written, and nothing otherwise. It is run
# by `make test-image-changed`.
#
# Exit code 0: shown now, or before. 75: not shown, for a reason that is none of the sources (no root, no mirror of Debian, no room, no
# time), which the last line tells. Else the image cannot be built, or a test has failed, twice.
set -u
cd "$(dirname "$0")/../.."
tests=${GATE_TESTS:-$(ls test/image/boot.test.ts test/image/update.test.ts 2>/dev/null)}
# Seconds for all of it: what the other tests leave of 45 minutes.
bound=${GATE_SECONDS:-1680}
# GiB: what is unpacked and built, and the disks of the machines.
room=10
began=$(date +%s)
PATH=$PWD/node_modules/.bin:$PATH
export PATH

skip() {
  echo "### THE IMAGE WAS NOT PROVED: $*"
  exit 75
}
left() { echo $((bound - $(date +%s) + began)); }
# Ends the whole group of processes, virtual machines too.
bounded() { timeout --kill-after=30 "$(left)" "$@"; }
minutes() { echo "gate: $(($(date +%s) - began)) s: $*"; }

digest=$(image/digest.sh) || exit 1
if [ "$digest" = "$(cat test/image/proved.txt 2>/dev/null)" ]; then
  echo "gate: the image is made of what it was made of when its tests passed ($digest): nothing to do"
  exit 0
fi
minutes 'what the image depends on has changed since its tests passed: it is built and started'
[ "$(id -u)" = 0 ] || skip 'only root can build it'
for folder in . "${TMPDIR:-/tmp}"; do
  [ "$(df --output=avail -B1G "$folder" | tail -n 1)" -ge "$room" ] || skip "less than $room GiB are free in $folder"
done
for set_name in image test-image; do scripts/debian-packages.sh "$set_name" || skip "what scripts/debian-packages.sh $set_name installs cannot be had"; done
for program in mmdebstrap qemu-system-x86_64 mcopy sfdisk; do
  command -v "$program" >/dev/null || skip "there is no $program, and it could not be installed"
done
[ -e /usr/share/OVMF/OVMF_CODE_4M.fd ] || skip 'there is no firmware for virtual machines (ovmf), and it could not be installed'

bounded image/build.sh "$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)" amd64 build/image
case $? in
  0) ;;
  75) skip "Debian's packages cannot be had (above: why)" ;;
  124 | 137) skip "the build was not done after $bound s" ;;
  *)
    echo 'gate: the image cannot be built'
    exit 1
    ;;
esac

# One that fails is tried once more: a processor in software on a busy machine is slow at odd moments, and what is broken stays broken.
failed=''
for file in $tests; do
  minutes "$file"
  [ "$(left)" -gt 0 ] || skip "$bound s were over before $file"
  bounded ava --config ava.image.config.mjs --tap "$file"
  case $? in
    0) continue ;;
    124 | 137) skip "$file was not done after $bound s in all" ;;
  esac
  minutes "$file has failed; once more"
  if [ "$(left)" -gt 0 ] && bounded ava --config ava.image.config.mjs --tap "$file"; then continue; fi
  failed="$failed $file"
done
[ -z "$failed" ] || { echo "gate: failed:$failed"; exit 1; }
minutes "proved: $digest (\`make test-image-short\` writes it into test/image/proved.txt)"
