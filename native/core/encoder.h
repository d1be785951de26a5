#pragma once

#include "bytes.h"

namespace postern {

/// Writes a stored message as it is sent: lines of more than 998 octets folded by CRLF SPACE (Postfix
/// smtp_line_length_limit), no bare CR or LF whatever was stored, a last line that ends. For DATA also dots stuffed
/// (RFC 5321 section 4.5.2) and CRLF "." CRLF at the end; for BDAT (RFC 3030 section 2) neither.
class Encoder {
 public:
  /// RFC 5321 section 4.5.3.1.6: a text line has 1000 octets at most, CRLF included, a stuffed dot not counted.
  static constexpr std::size_t kLineMax = 998;

  /// Octets that Write may produce for `in` octets.
  static constexpr std::size_t OutputMax(std::size_t in) { return 2 * in + 8; }
  /// Octets that Finish may produce.
  static constexpr std::size_t kFinishMax = 8;

  enum class Mode { kData, kBdat };

  void Begin(Mode mode) {
    *this = Encoder();
    mode_ = mode;
  }
  /// Returns the octets produced. `out` has room for OutputMax(in.size()).
  std::size_t Write(Bytes in, std::uint8_t* out);
  /// Ends the last line if need be and, for DATA, writes the final dot.
  std::size_t Finish(std::uint8_t* out);

 private:
  std::uint8_t* Text(const std::uint8_t* p, const std::uint8_t* end, std::uint8_t* out);
  std::uint8_t* ReleaseCr(std::uint8_t* out);

  Mode mode_ = Mode::kData;
  bool at_start_ = true;
  bool held_cr_ = false;
  std::size_t line_ = 0;
};

}  // namespace postern
