#!/bin/sh
# twice.sh VERSION ARCH OUT: builds the image twice, each time of nothing but the packages, and compares every octet of the disk and of
# the pieces of an update. The keys are the same for both: who has others gets other signatures over the same octets.
set -eu
cd "$(dirname "$0")/.."
for round in 1 2; do
  rm -rf "build/image/cache/$2" "build/image/made/$2"
  image/build.sh "$1" "$2" "$3/$round"
done
same=0
for file in "$3"/1/*; do
  name=$(basename "$file")
  if cmp -s "$file" "$3/2/$name"; then
    echo "same: $name $(sha256sum "$file" | cut -c1-16)"
  else
    echo "DIFFERENT: $name" >&2
    same=1
  fi
done
exit "$same"
