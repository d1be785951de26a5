#pragma once

#include <array>

#include "bytes.h"

namespace postern {

/// Text as signatures for HTML and text have it: lower case, each run of white space one blank.
class TextFold {
 public:
  /// Calls `take` with the folded octets.
  template <typename Take>
  void Write(Bytes block, Take take) {
    std::array<std::uint8_t, 4096> out;
    std::size_t used = 0;
    for (const std::uint8_t c : block) {
      const bool white = c == ' ' || (c >= 9 && c <= 13);
      if (!white) out[used++] = static_cast<std::uint8_t>(LowerAscii(static_cast<char>(c)));
      if (white && !white_) out[used++] = ' ';
      white_ = white;
      if (used == out.size()) {
        take(Bytes(out.data(), used));
        used = 0;
      }
    }
    if (used > 0) take(Bytes(out.data(), used));
  }

 private:
  bool white_ = false;
};

}  // namespace postern
