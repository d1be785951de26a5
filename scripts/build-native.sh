#!/bin/sh
# Builds the addon against the headers of the Node that runs it. Without --nodedir a `nodedir` in the user's own
# ~/.npmrc, or a download of headers, would decide.
set -eu

arch=$(node -p process.arch)
jobs=$(nproc 2>/dev/null || echo 1)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo 'Building the native scanner…'
if ! node-gyp configure build --nodedir="$PWD/node_modules/node-linux-$arch" --jobs="$jobs" >"$log" 2>&1; then
  cat "$log" >&2
  echo 'The native scanner could not be built: the lines above say why.' >&2
  exit 1
fi
