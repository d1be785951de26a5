#pragma once

#include <vector>

#include "signature.h"

namespace postern {

/// One literal of a signature, by which a message is found worth a second look.
struct Anchor {
  std::string bytes;  // lower case where `caseless`
  bool caseless = false;
  /// The octets around it that have a fixed place, it among them, and how many of them come up to its end.
  std::vector<ByteMask> around;
  std::size_t before = 0;
};

/// Octets on each side of an anchor that are compared where it was seen.
inline constexpr std::size_t kNeighboursMax = 16;

/// Literals of up to eight octets are the sweet spot of libhs: longer ones are confirmed separately.
inline constexpr std::size_t kAnchorMax = 8;

/// The rarest literal of a pattern: eight octets if it has so many in a row. One that begins with NUL only if
/// there is no other (libvectorscan 5.4.9 takes it for an empty literal). For text targets without white space,
/// because that is folded.
Anchor ChooseAnchor(const std::vector<PatternItem>& items, Target target);

}  // namespace postern
