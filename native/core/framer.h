#pragma once

#include <algorithm>

#include "bytes.h"

namespace postern {

/// Takes message bytes off the wire: finds the end of DATA, takes off the dots of RFC 5321 section 4.5.2 and
/// turns every line end into CRLF. What comes out is what is stored and delivered.
///
/// Only CRLF "." CRLF ends DATA (or "." CRLF at its very start). A bare LF becomes CRLF and a bare CR a space
/// (Postfix cleanup_replace_stray_cr_lf), and both are reported so that the caller can refuse. A line that a
/// bare LF began is not a line of the protocol: its first dot is text and stays, and can never end DATA.
class Framer {
 public:
  enum class Mode { kData, kBdat };

  struct Step {
    std::size_t consumed;
    std::size_t produced;
  };

  /// Octets that Write may produce for `in` octets.
  static constexpr std::size_t OutputMax(std::size_t in) { return 2 * in + 8; }

  void Begin(Mode mode);
  /// `out` has room for OutputMax(in.size()) octets. Stops behind the end of DATA.
  Step Write(Bytes in, std::uint8_t* out);
  /// The message is over. A CR that is still held was bare and stood last: it is dropped, because the CRLF that
  /// delivery adds to an unended last line takes its place.
  void Finish();

  bool ended() const { return state_ == State::kEnded; }
  bool bare_lf() const { return bare_lf_; }
  bool bare_cr() const { return bare_cr_; }
  bool nul() const { return nul_; }
  bool eight_bit() const { return eight_bit_; }
  std::uint64_t bytes() const { return bytes_; }
  /// Octets of the longest line of the output, CRLF not counted.
  std::uint64_t longest_line() const { return std::max(longest_line_, line_); }

 private:
  enum class State {
    kStart,   // at a line start that the protocol knows
    kDot,     // its dot, held
    kDotCr,   // dot and CR, held
    kText,    // inside a line, or at the start of one that a bare LF began
    kCr,      // CR, held
    kEnded,
  };

  struct Cursor;
  void HandleByte(Cursor& at);
  void HandleCr(Cursor& at);
  void RunOfLines(Cursor& at);
  void EndLine(Cursor& at);
  void Emit(Cursor& at, const std::uint8_t* from, const std::uint8_t* to);
  void Note(Bytes consumed);

  Mode mode_ = Mode::kData;
  State state_ = State::kStart;
  bool bare_lf_ = false;
  bool bare_cr_ = false;
  bool nul_ = false;
  bool eight_bit_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t line_ = 0;
  std::uint64_t longest_line_ = 0;
};

}  // namespace postern
