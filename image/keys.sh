#!/bin/sh
# keys.sh FOLDER: keys for Secure Boot, made where there are none. They are good for trying out; what is released is signed
# with keys that never lay in a working copy (keys/README.md).
set -eu
mkdir -p "$1"
cd "$1"
[ ! -f db.key ] || exit 0
umask 077
owner=$(uuidgen)
for name in PK KEK db; do
  openssl req -new -x509 -newkey rsa:3072 -noenc -sha256 -days 7300 -subj "/CN=Postern $name (made by a build)/" \
    -keyout "$name.key" -out "$name.pem" 2>/dev/null
  cert-to-efi-sig-list -g "$owner" "$name.pem" "$name.esl"
done
# Each list is signed by the key above it, the platform key by itself (UEFI 2.10 section 32.3).
time='2024-01-01 00:00:00'
sign-efi-sig-list -t "$time" -g "$owner" -k PK.key -c PK.pem PK PK.esl PK.auth >/dev/null
sign-efi-sig-list -t "$time" -g "$owner" -k PK.key -c PK.pem KEK KEK.esl KEK.auth >/dev/null
sign-efi-sig-list -t "$time" -g "$owner" -k KEK.key -c KEK.pem db db.esl db.auth >/dev/null
