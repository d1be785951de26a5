#!/bin/sh
# digest.sh: a digest over what an image is made of and what makes it start: image/, the units, the program's part that only the image
# has, what compiles and packs, and the tests that prove it. Not all of src/: `make test` shows what that does, and a change of one line
# there changes no start. test/image/proved.txt holds the digest of the last state whose tests have passed; test/image/gate.sh reads it.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C
folders="image systemd src/appliance test/image"
files="$(echo src/admin/*update*.ts) package-lock.json binding.gyp scripts/install-tree.sh scripts/pack-update.ts scripts/update-key.ts scripts/once.sh"
# Keys are each builder's own, and the note is not a part of what it notes.
listed() {
  expression=$1
  shift
  # shellcheck disable=SC2086 -- lists of names of ours
  find "$@" ! -path 'image/keys/*' ! -path test/image/proved.txt $expression
}
{
  # shellcheck disable=SC2086
  listed '-type f -print0' $folders $files | sort -z | xargs -0 sha256sum
  # A script that is no program any more, and a link that leads elsewhere, are changes too.
  # shellcheck disable=SC2086
  listed '-type f -perm -100 -print' $folders | sort
  # shellcheck disable=SC2086
  listed '-type l -printf %p->%l\n' $folders | sort
} | sha256sum | cut -d' ' -f1
