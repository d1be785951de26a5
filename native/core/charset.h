#pragma once

#include <map>
#include <memory>

#include "bytes.h"

namespace postern {

bool IsUtf8(std::string_view bytes);

/// Any octets as UTF-8: each octet is the code point of its number.
std::string Latin1ToUtf8(std::string_view bytes);

/// Raw 8-bit text of unknown charset: UTF-8 if it is valid, else Latin-1.
std::string GuessToUtf8(std::string_view bytes);

/// Turns text of named charsets into UTF-8. Keeps what iconv opened, because opening costs as much as converting a
/// book and a header can name a charset thousands of times. For one message.
class CharsetConverter {
 public:
  /// Charsets of one message; further ones are treated as unknown.
  static constexpr std::size_t kCharsetsMax = 32;

  CharsetConverter();
  ~CharsetConverter();
  CharsetConverter(const CharsetConverter&) = delete;
  CharsetConverter& operator=(const CharsetConverter&) = delete;

  /// A charset that is unknown, or bytes that it does not have, give the guess: a name must never vanish because
  /// its charset is odd.
  std::string ToUtf8(std::string_view charset, std::string_view bytes);

 private:
  class Handle;
  const Handle* Find(const std::string& charset);

  std::map<std::string, std::unique_ptr<Handle>> handles_;  // nullptr: iconv does not know it
};

}  // namespace postern
