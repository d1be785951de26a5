#!/bin/sh
# addon.sh SOURCE ARCH NODE WORK OUT: compiles the native addons in the tools' Debian, against its libhs and its libstdc++,
# which are the root's. NODE is the folder of Node's package for ARCH (its headers). For another processor by cross-compiling.
set -eu
source=$1
arch=$2
node=$3
work=$4
out=$5

rm -rf "$work"
mkdir -p "$work" "$out"
cp -R "$source/native" "$source/binding.gyp" "$source/package.json" "$work/"
ln -s "$source/node_modules" "$work/node_modules"
cd "$work"
# binding.gyp asks node where node-addon-api is; this Node is the building machine's.
PATH=$source/node_modules/.bin:$PATH
export PATH
case $arch in
  amd64) gyp=x64 ;;
  arm64)
    gyp=arm64
    export CC=aarch64-linux-gnu-gcc CXX=aarch64-linux-gnu-g++ AR=aarch64-linux-gnu-ar CC_host=gcc CXX_host=g++
    ;;
esac
# Nothing of the folder that it was compiled in stays in the addon.
export CFLAGS="-ffile-prefix-map=$work=." CXXFLAGS="-ffile-prefix-map=$work=."
node "$source/node_modules/node-gyp/bin/node-gyp.js" configure --nodedir="$node" --arch="$gyp" --loglevel=warn
node "$source/node_modules/node-gyp/bin/node-gyp.js" build --nodedir="$node" --loglevel=warn --jobs "$(nproc)"
rm -f "$out"/*.node
cp build/Release/*.node "$out/"
