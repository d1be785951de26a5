#!/bin/bash
# Runs inside the fresh root that prove.sh made. Bash, because its /dev/tcp needs no further tool.
set -u
cd "$HOME/postern" || exit 1
what=${1:-all}

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
seconds() { cut -d. -f1 /proc/uptime; }

answers() { (exec 3<>/dev/tcp/127.0.0.1/2525 && read -r -t 5 line <&3 && [ "${line:0:4}" = '220 ' ]) 2>/dev/null; }
nodes() { for exe in /proc/[0-9]*/exe; do readlink "$exe"; done 2>/dev/null | grep -c '/node$'; }

# Starts `make run` in a process group of its own, as a terminal does, and waits until it greets.
start() {
  began=$(seconds)
  setsid make run </dev/null >"$1" 2>&1 &
  made=$!
  until answers; do
    kill -0 "$made" 2>/dev/null || { cat "$1"; fail '`make run` ended before it listened'; }
    [ $(($(seconds) - began)) -lt 900 ] || { cat "$1"; fail '`make run` does not listen after 15 minutes'; }
    sleep 0.2
  done
  cat "$1"
  echo "-- greets after $(($(seconds) - began)) s"
}

control_c() {
  kill -INT -- "-$made"
  wait "$made"
  left=$(nodes)
  [ "$left" = 0 ] || fail "$left Node processes are left after Ctrl-C"
}

say 'What is here'
node --version; npm --version; git --version; make --version | head -n 1
for absent in g++ python3 pkg-config strace; do
  command -v "$absent" >/dev/null && fail "$absent is here already: this proves nothing"
done
answers && fail 'something listens on 127.0.0.1:2525 already'

say 'make run'
start /tmp/first.log

say 'The first mail, with the line of the README'
line=$(awk '/^```sh$/ { block = ""; inside = 1; next } /^```$/ { if (block ~ /curl/) { printf "%s", block; exit } inside = 0 } inside { block = block $0 "\n" }' README.md)
[ -n "$line" ] || fail 'the README has no curl line'
echo "$line"
bash -c "$line" || fail 'curl could not send the mail'
for _ in $(seq 100); do
  mail=$(find var/mailboxes -path '*/new/*' -type f 2>/dev/null | head -n 1)
  [ -n "$mail" ] && break
  sleep 0.1
done
[ -n "$mail" ] || fail 'the mail is in no Maildir'
say "It is in $mail"
cat "$mail"

say 'Ctrl-C'
control_c
tail -n 3 /tmp/first.log

say 'make run, the second time'
start /tmp/second.log
grep -qE 'Installing|Building' /tmp/second.log && fail 'the second start installed or built something'
control_c

if [ "$what" = all ]; then
  say 'make test'
  began=$(seconds)
  make test </dev/null || fail 'make test'
  echo "-- make test took $(($(seconds) - began)) s"
  [ -z "$(git status --porcelain)" ] || { git status --porcelain; fail 'the tests left something behind in the checkout'; }
fi
say 'Proved.'
