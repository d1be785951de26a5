#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bytes.h"

/// A property that does not hold is a finding, as a bad memory access is.
#define REQUIRE(condition)                                                                \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);      \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace fuzz {

/// Takes choices and cuts from the front of the input, so that the fuzzer steers them.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  std::uint8_t Byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t c = rest_.front();
    rest_ = rest_.subspan(1);
    return c;
  }
  postern::Bytes rest() const { return rest_; }

 private:
  postern::Bytes rest_;
};

/// Calls `take` with pieces of `bytes` of pseudo-random length from `seed`; 0 is all at once.
template <typename Take>
void InPieces(postern::Bytes bytes, std::uint8_t seed, Take take) {
  std::uint32_t state = seed;
  while (!bytes.empty()) {
    state = state * 1664525 + 1013904223;
    std::size_t length = seed == 0 ? bytes.size() : 1 + (state >> 24) % (seed % 16 + 1);
    if (length > bytes.size()) length = bytes.size();
    take(bytes.first(length));
    bytes = bytes.subspan(length);
  }
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
