#pragma once

#include "bytes.h"

namespace postern {

bool IsUtf8(std::string_view bytes);

/// Any octets as UTF-8: each octet is the code point of its number.
std::string Latin1ToUtf8(std::string_view bytes);

/// Raw 8-bit text of unknown charset: UTF-8 if it is valid, else Latin-1.
std::string GuessToUtf8(std::string_view bytes);

/// Text of a named charset as UTF-8. A charset that is unknown, or bytes that it does not have, give the guess:
/// a name must never vanish because its charset is odd.
std::string CharsetToUtf8(std::string_view charset, std::string_view bytes);

}  // namespace postern
