#!/bin/sh
# Builds native/core with ASan and UBSan and runs each fuzz target for FUZZ_SECONDS seconds (default 5), starting
# from test/fuzz/corpus. Ends non-zero on the first finding, whose input is then in test/fuzz/out.
#
#   test/fuzz/run.sh [target …]        FUZZ_SECONDS=600 test/fuzz/run.sh mime
#
# New inputs go to test/fuzz/out/<target>, which is kept from run to run and not committed; what is worth keeping
# for good is copied to the corpus by hand. Needs clang, libhs (libvectorscan-dev) and libssl-dev.
set -eu
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-5}
targets=${*:-framing mime names signatures encoder}
out=test/fuzz/out
mkdir -p "$out/obj"

flags='-std=c++20 -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
warnings='-Wall -Wextra -Werror'

for source in native/core/*.cc; do
  object=$out/obj/$(basename "$source" .cc).o
  newer=$(find native/core test/fuzz -name '*.h' -newer "$object" 2>/dev/null | head -n 1 || true)
  [ -f "$object" ] && [ "$object" -nt "$source" ] && [ -z "$newer" ] && continue
  # shellcheck disable=SC2086
  clang++ $flags $warnings -c "$source" -o "$object"
done

for target in $targets; do
  # shellcheck disable=SC2086
  clang++ $flags $warnings -fsanitize=fuzzer -Inative/core -Itest/fuzz "test/fuzz/$target.cc" "$out"/obj/*.o \
    -o "$out/fuzz-$target" -lhs -lcrypto
  mkdir -p "$out/$target" "test/fuzz/corpus/$target"
  echo "fuzz: $target, $seconds s"
  dictionary=
  [ -f "test/fuzz/$target.dict" ] && dictionary="-dict=test/fuzz/$target.dict"
  # shellcheck disable=SC2086
  "$out/fuzz-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 -print_funcs=0 -verbosity=0 \
    -max_len=8192 $dictionary -artifact_prefix="$out/found-$target-" "$out/$target" "test/fuzz/corpus/$target"
done
echo "fuzz: no finding"
