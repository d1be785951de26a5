#pragma once

#include <vector>

#include "bytes.h"
#include "charset.h"

namespace postern {

/// The readings of header text with RFC 2047 encoded words, as UTF-8. Words are looked for everywhere, inside
/// quotes too, because mail programs decode them there. Without any word: the text itself (Latin-1 where it is
/// not UTF-8). Where the words can be read in more than one way (a character or a base64 quantum cut between two
/// words) each way is a reading; the first is the usual one.
std::vector<std::string> DecodeWords(std::string_view text, CharsetConverter& charsets);

/// Base64 of a header word: what is not of the alphabet is skipped.
std::string DecodeBase64(std::string_view text);

}  // namespace postern
