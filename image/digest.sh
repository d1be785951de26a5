#!/bin/sh
# digest.sh: a digest over what an image is made of and what makes it start. test/image/proved.txt holds it for the last state that
# `make test-image` has passed; .ci/run starts a machine only where it is another.
set -eu
cd "$(dirname "$0")/.."
{
  find image systemd src/appliance src/console src/main -type f
  echo scripts/install-tree.sh
  echo package-lock.json
} | grep -v '^image/keys/' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1
