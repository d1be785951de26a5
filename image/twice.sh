#!/bin/sh
# twice.sh VERSION ARCH OUT: builds the image twice, each time of nothing but the packages, and compares every octet of the disk and of
# the pieces of an update. The keys are the same for both: who has others gets other signatures over the same octets.
set -eu
cd "$(dirname "$0")/.."
# A commit that is made meanwhile is no difference.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
rm -rf "$3"
mkdir -p "$3"
for round in 1 2; do
  rm -rf --one-file-system "build/image/cache/$2" "build/image/made/$2"
  image/build.sh "$1" "$2" "$3/$round"
  # What the root has, so that a difference has a name.
  (
    cd "build/image/made/$2/root"
    find . -printf '%p %M %U %G %l\n' | LC_ALL=C sort
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  ) >"$3/$round.list"
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
diff "$3/1.list" "$3/2.list" >&2 || same=1
exit "$same"
