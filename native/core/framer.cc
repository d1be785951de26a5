#include "framer.h"

#include <cstring>

namespace postern {

struct Framer::Cursor {
  const std::uint8_t* p;
  const std::uint8_t* end;
  std::uint8_t* out;
  const std::uint8_t* lf;  // the last one that was looked for

  /// The next LF, or the end. Looked for once: input with a thousand CR before it must not cost a thousand looks.
  const std::uint8_t* NextLf(const std::uint8_t* from) {
    if (lf != nullptr && lf >= from) return lf;
    const auto* found = static_cast<const std::uint8_t*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
    lf = found == nullptr ? end : found;
    return lf;
  }
};

void Framer::Begin(Mode mode) {
  *this = Framer();
  mode_ = mode;
}

Framer::Step Framer::Write(Bytes in, std::uint8_t* out) {
  Cursor at{in.data(), in.data() + in.size(), out, nullptr};
  while (at.p < at.end && state_ != State::kEnded) {
    if (state_ == State::kText) {
      RunOfLines(at);
    } else {
      HandleByte(at);
    }
  }
  const std::size_t consumed = static_cast<std::size_t>(at.p - in.data());
  const std::size_t produced = static_cast<std::size_t>(at.out - out);
  Note(in.first(consumed));
  bytes_ += produced;
  return {consumed, produced};
}

void Framer::Finish() {
  if (state_ == State::kCr || state_ == State::kDotCr) bare_cr_ = true;
  longest_line_ = longest_line();
  line_ = 0;
}

/// One octet in any state but kText.
void Framer::HandleByte(Cursor& at) {
  const std::uint8_t c = *at.p;
  switch (state_) {
    case State::kStart:
      if (c == '.' && mode_ == Mode::kData) {
        state_ = State::kDot;
        ++at.p;
      } else {
        state_ = State::kText;
      }
      return;
    case State::kDot:
      if (c == '\r') {
        state_ = State::kDotCr;
        ++at.p;
      } else {
        state_ = State::kText;  // the dot was stuffing
      }
      return;
    case State::kDotCr:
      ++at.p;
      if (c == '\n') {
        state_ = State::kEnded;
      } else {
        --at.p;
        state_ = State::kCr;  // the dot was stuffing, the CR is looked at again as any other
      }
      return;
    case State::kCr:
      HandleCr(at);
      return;
    case State::kText:
    case State::kEnded:
      return;
  }
}

void Framer::HandleCr(Cursor& at) {
  if (*at.p == '\n') {
    ++at.p;
    EndLine(at);
    state_ = State::kStart;
    return;
  }
  bare_cr_ = true;
  *at.out++ = ' ';
  ++line_;
  state_ = State::kText;
}

/// Text up to the next thing that must be changed or the end of the input, copied in spans as long as possible.
void Framer::RunOfLines(Cursor& at) {
  const std::uint8_t* span = at.p;
  const std::uint8_t* p = at.p;
  while (true) {
    const std::uint8_t* lf = at.NextLf(p);
    const auto* cr = static_cast<const std::uint8_t*>(std::memchr(p, '\r', static_cast<std::size_t>(lf - p)));
    if (cr != nullptr && cr + 1 == lf && lf != at.end) {
      line_ += static_cast<std::uint64_t>(cr - p);
      longest_line_ = std::max(longest_line_, line_);
      line_ = 0;
      p = lf + 1;
      const bool plain = p < at.end && (*p != '.' || mode_ == Mode::kBdat);
      if (plain) continue;
      Emit(at, span, p);
      at.p = p;
      state_ = State::kStart;
      return;
    }
    const std::uint8_t* cut = cr != nullptr ? cr : lf;
    line_ += static_cast<std::uint64_t>(cut - p);
    Emit(at, span, cut);
    at.p = cut;
    if (cut == at.end) return;
    ++at.p;
    if (cr != nullptr) {
      state_ = State::kCr;
    } else {
      bare_lf_ = true;
      EndLine(at);  // stays in kText: a dot that follows is text
    }
    return;
  }
}

void Framer::EndLine(Cursor& at) {
  *at.out++ = '\r';
  *at.out++ = '\n';
  longest_line_ = std::max(longest_line_, line_);
  line_ = 0;
}

void Framer::Emit(Cursor& at, const std::uint8_t* from, const std::uint8_t* to) {
  const std::size_t length = static_cast<std::size_t>(to - from);
  if (length == 0) return;
  std::memcpy(at.out, from, length);
  at.out += length;
}

/// Two sums over all octets that the compiler turns into vector instructions.
void Framer::Note(Bytes consumed) {
  std::uint8_t any = 0;
  std::uint8_t zero = 0;
  for (const std::uint8_t c : consumed) {
    any = static_cast<std::uint8_t>(any | c);
    zero = static_cast<std::uint8_t>(zero | (c == 0 ? 1 : 0));
  }
  if ((any & 0x80) != 0) eight_bit_ = true;
  if (zero != 0) nul_ = true;
}

}  // namespace postern
