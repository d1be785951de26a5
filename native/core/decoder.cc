#include "decoder.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace postern {

namespace {

/// What a decoder gathers before it hands it on.
constexpr std::size_t kBlock = 16 * 1024;

constexpr std::uint32_t kInvalid = 0xff000000;

using Table = std::array<std::uint32_t, 256>;

constexpr Table MakeTable(int shift) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Table table{};
  table.fill(kInvalid);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint32_t>(i) << shift;
  }
  return table;
}

// Four tables, one per place of a quantum: a quantum is three ORs and one test.
constexpr Table kFirst = MakeTable(18);
constexpr Table kSecond = MakeTable(12);
constexpr Table kThird = MakeTable(6);
constexpr Table kFourth = MakeTable(0);

bool IsSpace(std::uint8_t c) { return c == '\r' || c == '\n' || c == ' ' || c == '\t'; }

}  // namespace

std::unique_ptr<Decoder> Decoder::Make(Encoding encoding) {
  switch (encoding) {
    case Encoding::kIdentity:
      return std::make_unique<IdentityDecoder>();
    case Encoding::kBase64:
      return std::make_unique<Base64Decoder>();
    case Encoding::kQuotedPrintable:
      return std::make_unique<QuotedPrintableDecoder>();
    case Encoding::kUuencode:
      return std::make_unique<UuDecoder>();
  }
  return nullptr;
}

void Base64Decoder::Write(Bytes in, ByteSink& out) {
  std::array<std::uint8_t, kBlock + 8> block;
  const std::uint8_t* p = in.data();
  const std::uint8_t* const end = p + in.size();
  while (p < end) {
    std::uint8_t* o = block.data();
    std::uint8_t* const full = block.data() + kBlock;
    while (p < end && o < full) {
      if (sextets_ == 0 && end - p >= 4) {
        const std::uint32_t v = kFirst[p[0]] | kSecond[p[1]] | kThird[p[2]] | kFourth[p[3]];
        if (v < kInvalid) {
          if (padded_) dirty_ = true, padded_ = false;
          o[0] = static_cast<std::uint8_t>(v >> 16);
          o[1] = static_cast<std::uint8_t>(v >> 8);
          o[2] = static_cast<std::uint8_t>(v);
          o += 3;
          p += 4;
          continue;
        }
      }
      o = Careful(*p++, o);
    }
    if (o != block.data()) out.Data({block.data(), static_cast<std::size_t>(o - block.data())});
  }
}

std::uint8_t* Base64Decoder::Careful(std::uint8_t c, std::uint8_t* out) {
  const std::uint32_t v = kFourth[c];
  if (v < kInvalid) {
    if (padded_) dirty_ = true, padded_ = false;
    bits_ = bits_ << 6 | v;
    if (++sextets_ < 4) return out;
    *out++ = static_cast<std::uint8_t>(bits_ >> 16);
    *out++ = static_cast<std::uint8_t>(bits_ >> 8);
    *out++ = static_cast<std::uint8_t>(bits_);
    bits_ = 0;
    sextets_ = 0;
    return out;
  }
  if (c == '=') {
    if (sextets_ >= 2) {
      out = FlushQuantum(out);
      padded_ = true;
    } else if (!padded_) {
      dirty_ = true;
    }
    return out;
  }
  if (!IsSpace(c)) dirty_ = true;
  return out;
}

std::uint8_t* Base64Decoder::FlushQuantum(std::uint8_t* out) {
  if (sextets_ == 2) *out++ = static_cast<std::uint8_t>(bits_ >> 4);
  if (sextets_ == 3) {
    *out++ = static_cast<std::uint8_t>(bits_ >> 10);
    *out++ = static_cast<std::uint8_t>(bits_ >> 2);
  }
  bits_ = 0;
  sextets_ = 0;
  return out;
}

void Base64Decoder::Finish(ByteSink& out) {
  if (sextets_ == 0) return;
  dirty_ = true;
  std::array<std::uint8_t, 3> last;
  const std::uint8_t* end = FlushQuantum(last.data());
  if (end != last.data()) out.Data({last.data(), static_cast<std::size_t>(end - last.data())});
}

namespace {
/// Longer runs of blanks than a line may have are text.
constexpr std::size_t kBlanksMax = 1000;
}  // namespace

void QuotedPrintableDecoder::Write(Bytes in, ByteSink& out) {
  const std::uint8_t* p = in.data();
  const std::uint8_t* const end = p + in.size();
  while (p < end) {
    if (state_ == State::kText && blanks_.empty()) {
      const std::uint8_t* from = p;
      while (p < end && *p != '=' && !IsSpace(*p)) ++p;
      out_.insert(out_.end(), from, p);
      // A single blank between words, the usual case, needs no holding back.
      if (end - p >= 2 && *p == ' ' && !IsSpace(p[1])) {
        out_.push_back(' ');
        ++p;
      } else if (p < end) {
        Byte(*p++);
      }
    } else {
      Byte(*p++);
    }
    if (out_.size() >= kBlock) {
      out.Data(out_);
      out_.clear();
    }
  }
}

void QuotedPrintableDecoder::Byte(std::uint8_t c) {
  switch (state_) {
    case State::kText:
      Text(c);
      return;
    case State::kEquals:
      if (HexValue(static_cast<char>(c)) >= 0) {
        hex_ = c;
        state_ = State::kEqualsHex;
      } else if (c == '\r') {
        state_ = State::kEqualsCr;
      } else if (c == '\n') {
        state_ = State::kText;
      } else if (IsBlank(static_cast<char>(c))) {
        blanks_.push_back(static_cast<char>(c));
        state_ = State::kEqualsBlank;
      } else {
        dirty_ = true;
        out_.push_back('=');
        state_ = State::kText;
        Text(c);
      }
      return;
    case State::kEqualsHex: {
      state_ = State::kText;
      const int low = HexValue(static_cast<char>(c));
      if (low >= 0) {
        out_.push_back(static_cast<std::uint8_t>(HexValue(static_cast<char>(hex_)) << 4 | low));
        return;
      }
      dirty_ = true;
      out_.push_back('=');
      out_.push_back(hex_);
      Text(c);
      return;
    }
    case State::kEqualsBlank:  // "=  CRLF" is a soft line break too (RFC 2045 section 6.7 rule 3)
      if (IsBlank(static_cast<char>(c)) && blanks_.size() < kBlanksMax) {
        blanks_.push_back(static_cast<char>(c));
      } else if (c == '\r' || c == '\n') {
        blanks_.clear();
        state_ = c == '\r' ? State::kEqualsCr : State::kText;
      } else {
        dirty_ = true;
        out_.push_back('=');
        state_ = State::kText;
        Text(c);
      }
      return;
    case State::kEqualsCr:
      state_ = State::kText;
      if (c != '\n') Text(c);
      return;
  }
}

void QuotedPrintableDecoder::Text(std::uint8_t c) {
  if (IsBlank(static_cast<char>(c))) {
    blanks_.push_back(static_cast<char>(c));
    if (blanks_.size() > kBlanksMax) ReleaseBlanks();
    return;
  }
  if (c == '\r' || c == '\n') {
    blanks_.clear();
  } else {
    ReleaseBlanks();
  }
  if (c == '=') {
    state_ = State::kEquals;
  } else {
    out_.push_back(c);
  }
}

void QuotedPrintableDecoder::ReleaseBlanks() {
  out_.insert(out_.end(), blanks_.begin(), blanks_.end());
  blanks_.clear();
}

void QuotedPrintableDecoder::Finish(ByteSink& out) {
  if (state_ == State::kEqualsHex) {
    dirty_ = true;
    out_.push_back('=');
    out_.push_back(hex_);
  }
  state_ = State::kText;
  blanks_.clear();
  if (!out_.empty()) out.Data(out_);
  out_.clear();
}

std::string_view UuBeginName(std::string_view line) {
  line = TrimRight(line);
  if (!line.starts_with("begin ")) return {};
  line.remove_prefix(6);
  std::size_t digits = 0;
  while (digits < line.size() && line[digits] >= '0' && line[digits] <= '7') ++digits;
  if (digits < 3 || digits > 4 || digits >= line.size() || line[digits] != ' ') return {};
  return Trim(line.substr(digits));
}

void UuDecoder::Write(Bytes in, ByteSink& out) {
  const char* p = reinterpret_cast<const char*>(in.data());
  const char* const end = p + in.size();
  while (p < end) {
    const auto* lf = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    const char* stop = lf == nullptr ? end : lf;
    // Outside of a file only a line that starts with 'b' can matter, inside of one every line does.
    if (at_start_ && p < stop) {
      skip_line_ = !inside_ && *p != 'b';
      at_start_ = false;
    }
    if (!skip_line_) {
      if (line_.empty() && lf != nullptr) {
        Line({p, static_cast<std::size_t>(stop - p)}, out);
      } else {
        line_.append(p, std::min(static_cast<std::size_t>(stop - p), kLineMax - std::min(kLineMax, line_.size())));
        if (lf != nullptr) Line(line_, out);
      }
    }
    if (lf == nullptr) break;
    line_.clear();
    at_start_ = true;
    skip_line_ = false;
    p = lf + 1;
  }
}

void UuDecoder::Line(std::string_view line, ByteSink& out) {
  if (line.size() > kLineMax) line = line.substr(0, kLineMax);
  const std::string_view name = UuBeginName(line);
  if (!name.empty()) {
    Close(out);
    out.FileBegin(name);
    inside_ = true;
    return;
  }
  if (!inside_) return;
  line = TrimRight(line);
  if (line == "end") {
    Close(out);
    return;
  }
  if (!line.empty()) DataLine(line, out);
}

void UuDecoder::DataLine(std::string_view line, ByteSink& out) {
  const auto value = [&](std::size_t i) -> std::uint32_t {
    return i < line.size() ? (static_cast<std::uint32_t>(static_cast<unsigned char>(line[i])) - 32) & 63 : 0;
  };
  if (static_cast<unsigned char>(line[0]) < 32 || static_cast<unsigned char>(line[0]) > 96) {
    dirty_ = true;
    return;
  }
  std::size_t left = value(0);
  for (std::size_t i = 1; left > 0; i += 4) {
    const std::uint32_t v = value(i) << 18 | value(i + 1) << 12 | value(i + 2) << 6 | value(i + 3);
    out_.push_back(static_cast<std::uint8_t>(v >> 16));
    if (left > 1) out_.push_back(static_cast<std::uint8_t>(v >> 8));
    if (left > 2) out_.push_back(static_cast<std::uint8_t>(v));
    left -= std::min<std::size_t>(left, 3);
  }
  if (out_.size() >= kBlock) {
    out.Data(out_);
    out_.clear();
  }
}

void UuDecoder::Close(ByteSink& out) {
  if (!out_.empty()) out.Data(out_);
  out_.clear();
  if (inside_) out.FileEnd();
  inside_ = false;
}

void UuDecoder::Finish(ByteSink& out) {
  if (!line_.empty() && !skip_line_) Line(line_, out);
  line_.clear();
  if (inside_) dirty_ = true;
  Close(out);
}

}  // namespace postern
