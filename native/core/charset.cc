#include "charset.h"

#include <iconv.h>

#include <array>

namespace postern {

namespace {

/// Only these names reach iconv: it loads a shared object for each, and its rarer ones had holes
/// (CVE-2024-2961). A family is given by its start.
constexpr std::array<std::string_view, 29> kKnown = {
    "iso-8859-", "windows-125", "cp125",   "koi8-r",  "koi8-u",  "utf-16",    "utf-7",      "utf-32",
    "gb2312",    "gbk",         "gb18030", "big5",    "euc-kr",  "euc-jp",    "shift_jis",  "iso-2022-jp",
    "macintosh", "cp437",       "cp850",   "cp852",   "cp866",   "cp932",     "cp949",      "tis-620",
    "ibm037",    "ibm850",      "ks_c_5601-1987", "windows-874", "cp874",
};

bool IsKnown(std::string_view charset) {
  for (const std::string_view known : kKnown) {
    if (!charset.starts_with(known)) continue;
    for (const char c : charset.substr(known.size())) {
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '_')) return false;
    }
    return charset.size() < known.size() + 12;
  }
  return false;
}

}  // namespace

bool IsUtf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const auto* const end = p + bytes.size();
  while (p < end) {
    const std::uint8_t c = *p++;
    if (c < 0x80) continue;
    int more;
    std::uint32_t point;
    std::uint32_t least;
    if (c >= 0xc2 && c <= 0xdf) {
      more = 1, point = c & 0x1f, least = 0x80;
    } else if (c >= 0xe0 && c <= 0xef) {
      more = 2, point = c & 0x0f, least = 0x800;
    } else if (c >= 0xf0 && c <= 0xf4) {
      more = 3, point = c & 0x07, least = 0x10000;
    } else {
      return false;
    }
    for (; more > 0; --more) {
      if (p == end || (*p & 0xc0) != 0x80) return false;
      point = point << 6 | (*p++ & 0x3f);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
  }
  return true;
}

std::string Latin1ToUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 8);
  for (const char raw : bytes) {
    const auto c = static_cast<unsigned char>(raw);
    if (c < 0x80) {
      out.push_back(raw);
    } else {
      out.push_back(static_cast<char>(0xc0 | c >> 6));
      out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    }
  }
  return out;
}

std::string GuessToUtf8(std::string_view bytes) {
  return IsUtf8(bytes) ? std::string(bytes) : Latin1ToUtf8(bytes);
}

/// One open conversion to UTF-8.
class CharsetConverter::Handle {
 public:
  static std::unique_ptr<Handle> Open(const std::string& charset) {
    const iconv_t raw = iconv_open("UTF-8", charset.c_str());
    return raw == reinterpret_cast<iconv_t>(-1) ? nullptr : std::unique_ptr<Handle>(new Handle(raw));
  }
  ~Handle() { iconv_close(raw_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  /// False where the bytes are not of the charset.
  bool Convert(std::string_view bytes, std::string& out) const {
    iconv(raw_, nullptr, nullptr, nullptr, nullptr);
    std::string input(bytes);
    char* from = input.data();
    std::size_t from_left = input.size();
    std::array<char, 1024> block;
    while (true) {
      char* to = block.data();
      std::size_t to_left = block.size();
      char** const source = from_left > 0 ? &from : nullptr;
      const std::size_t rc = iconv(raw_, source, &from_left, &to, &to_left);
      const std::size_t produced = block.size() - to_left;
      out.append(block.data(), produced);
      if (rc == static_cast<std::size_t>(-1) && produced == 0) return false;
      if (source == nullptr) return true;
    }
  }

 private:
  explicit Handle(iconv_t raw) : raw_(raw) {}
  iconv_t raw_;
};

CharsetConverter::CharsetConverter() = default;
CharsetConverter::~CharsetConverter() = default;

const CharsetConverter::Handle* CharsetConverter::Find(const std::string& charset) {
  if (!IsKnown(charset)) return nullptr;
  const auto known = handles_.find(charset);
  if (known != handles_.end()) return known->second.get();
  if (handles_.size() >= kCharsetsMax) return nullptr;
  return handles_.emplace(charset, Handle::Open(charset)).first->second.get();
}

std::string CharsetConverter::ToUtf8(std::string_view charset, std::string_view bytes) {
  const std::string name = LowerAscii(Trim(charset));
  if (name == "utf-8" || name == "utf8" || name == "us-ascii" || name == "ascii" || name.empty()) {
    return GuessToUtf8(bytes);
  }
  if (name == "iso-8859-1" || name == "latin1") return Latin1ToUtf8(bytes);
  const Handle* handle = Find(name);
  std::string out;
  if (handle != nullptr && handle->Convert(bytes, out) && IsUtf8(out)) return out;
  return GuessToUtf8(bytes);
}

}  // namespace postern
