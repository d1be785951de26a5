#!/bin/sh
# Builds build/Release/postern.node against the headers of the Node that is installed as a package, and does
# nothing where the last build was of the same sources, the same Node and the same libhs.
#
# --nodedir is given to node-gyp itself: as an npm setting a `nodedir` in the user's .npmrc would win.
set -eu
cd "$(dirname "$0")/.."

case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) echo "native/build.sh: no Node package for $(uname -m)" >&2; exit 1 ;;
esac
node=node_modules/.bin/node
export PATH="$PWD/node_modules/.bin:$PATH" # binding.gyp asks node where node-addon-api is
nodedir=$PWD/node_modules/node-linux-$arch
[ -d "$nodedir/include/node" ] || { echo "native/build.sh: $nodedir is missing; run npm ci" >&2; exit 1; }

stamp=build/Release/postern.stamp
key=$({
  "$node" --version
  cat node_modules/node-addon-api/package.json
  find -L /usr/lib -name 'libhs.so*' -exec readlink -f {} + 2>/dev/null | sort -u
  find native binding.gyp -type f \( -name '*.cc' -o -name '*.h' -o -name '*.gyp' \) -exec sha256sum {} + | sort
} | sha256sum)

if [ -f build/Release/postern.node ] && [ -f build/Release/postern_host.node ] && [ -f build/Release/postern_pattern.node ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
  exit 0
fi
echo "native/build.sh: building the addon" >&2
rm -f "$stamp"
"$node" node_modules/node-gyp/bin/node-gyp.js configure --nodedir="$nodedir" --loglevel=warn
"$node" node_modules/node-gyp/bin/node-gyp.js build --nodedir="$nodedir" --loglevel=warn --jobs "$(nproc)"
printf '%s\n' "$key" > "$stamp"
