#pragma once

#include <vector>

#include "signature.h"

namespace postern {

/// One literal of a signature, by which a message is found worth a second look.
struct Anchor {
  std::string bytes;  // lower case where `caseless`
  bool caseless = false;
};

/// Literals of up to eight octets are the sweet spot of libhs: longer ones are confirmed separately.
inline constexpr std::size_t kAnchorMax = 8;

/// The rarest literal of a pattern: eight octets if it has so many in a row. Never one that begins with NUL
/// (libvectorscan 5.4.9 takes that for an empty literal) unless it has no other. For text targets without white
/// space, because that is folded.
Anchor ChooseAnchor(const std::vector<PatternItem>& items, Target target);

}  // namespace postern
