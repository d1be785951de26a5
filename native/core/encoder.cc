#include "encoder.h"

#include <algorithm>
#include <cstring>

namespace postern {

namespace {

std::uint8_t* Put(std::uint8_t* out, const char* text, std::size_t length) {
  std::memcpy(out, text, length);
  return out + length;
}

const std::uint8_t* FindOrEnd(const std::uint8_t* p, const std::uint8_t* end, char c) {
  const void* found = std::memchr(p, c, static_cast<std::size_t>(end - p));
  return found == nullptr ? end : static_cast<const std::uint8_t*>(found);
}

}  // namespace

std::size_t Encoder::Write(Bytes in, std::uint8_t* out) {
  std::uint8_t* const begin = out;
  const std::uint8_t* p = in.data();
  const std::uint8_t* const end = p + in.size();
  const std::uint8_t* lf = nullptr;  // the next one, or the end; looked for once, however many CR are before it
  while (p < end) {
    if (held_cr_ && *p != '\n') out = ReleaseCr(out);
    if (lf == nullptr || lf < p) lf = FindOrEnd(p, end, '\n');
    const std::uint8_t* cr = FindOrEnd(p, lf, '\r');
    out = Text(p, cr, out);
    if (cr != lf && (cr + 1 != lf || lf == end)) {  // bare, or the last octet so far
      held_cr_ = true;
      p = cr + 1;
      continue;
    }
    if (lf == end) break;
    held_cr_ = false;
    out = Put(out, "\r\n", 2);
    at_start_ = true;
    line_ = 0;
    p = lf + 1;
  }
  return static_cast<std::size_t>(out - begin);
}

std::size_t Encoder::Finish(std::uint8_t* out) {
  std::uint8_t* const begin = out;
  held_cr_ = false;  // it stood last: the CRLF below takes its place
  if (!at_start_) out = Put(out, "\r\n", 2);
  if (mode_ == Mode::kData) out = Put(out, ".\r\n", 3);
  Begin(mode_);
  return static_cast<std::size_t>(out - begin);
}

std::uint8_t* Encoder::ReleaseCr(std::uint8_t* out) {
  held_cr_ = false;
  const std::uint8_t space = ' ';
  return Text(&space, &space + 1, out);
}

/// A piece of one line, without its end.
std::uint8_t* Encoder::Text(const std::uint8_t* p, const std::uint8_t* end, std::uint8_t* out) {
  if (p == end) return out;
  if (at_start_) {
    if (*p == '.' && mode_ == Mode::kData) *out++ = '.';
    at_start_ = false;
  }
  while (true) {
    const std::size_t room = kLineMax - line_;
    const std::size_t length = std::min(room, static_cast<std::size_t>(end - p));
    std::memcpy(out, p, length);
    out += length;
    p += length;
    line_ += length;
    if (p == end) return out;
    out = Put(out, "\r\n ", 3);
    line_ = 1;  // the space counts, as in Postfix
  }
}

}  // namespace postern
