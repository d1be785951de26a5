#pragma once

#include "bytes.h"

namespace postern {

/// What the first octets of a file say that it is; "" where nothing is known, "text" for printable text.
/// kMagicBytes of it are enough.
std::string_view MagicType(Bytes head);

inline constexpr std::size_t kMagicBytes = 1024;

}  // namespace postern
