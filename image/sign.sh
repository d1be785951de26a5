#!/bin/sh
# sign.sh KEYS IN OUT: signs an EFI program with the db key. The signature has a time in it: that of the sources, so that the same
# key over the same octets gives the same file.
set -eu
faketime -f "$(date -u -d "@$SOURCE_DATE_EPOCH" '+%Y-%m-%d %H:%M:%S')" \
  sbsign --key "$1/db.key" --cert "$1/db.pem" --output "$3" "$2" 2>/dev/null
