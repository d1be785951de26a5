#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "bytes.h"

namespace postern {

/// ClamAV's target types (its signature manual, "Target Type").
enum class Target : std::uint8_t {
  kAny = 0,
  kPe = 1,
  kOle2 = 2,
  kHtml = 3,
  kMail = 4,
  kGraphics = 5,
  kElf = 6,
  kText = 7,
  kMachO = 9,
  kPdf = 10,
  kFlash = 11,
  kJava = 12,
};

/// Where a signature may begin.
struct Offset {
  enum class Kind : std::uint8_t { kAny, kFromStart, kFromEnd };
  Kind kind = Kind::kAny;
  std::uint32_t distance = 0;
  std::uint32_t shift = 0;  // how much further it may begin
};

struct ByteMask {
  std::uint8_t value;
  std::uint8_t mask;
};

/// One place of a pattern, or a choice of strings. `negated` matches any string of their length but these.
struct Choice {
  bool negated = false;
  std::vector<std::vector<ByteMask>> options;
};

/// Octets between two pieces: `least` to `most` of them.
struct Gap {
  static constexpr std::uint32_t kUnbounded = 0xffffffff;
  std::uint32_t least = 0;
  std::uint32_t most = 0;
};

using PatternItem = std::variant<ByteMask, Choice, Gap>;

/// Limits of one pattern. ClamAV's longest are some thousand octets; a gap is bounded so that what must be
/// remembered for it is (a quarter of a MiB at most).
inline constexpr std::size_t kPatternHexMax = 32 * 1024;
inline constexpr std::uint32_t kGapMax = 1024 * 1024;

/// Places of the automaton of one pattern: half a MiB of tables.
inline constexpr std::size_t kPatternPlacesMax = 16 * 1024;

/// A fixed gap of so many octets is as many places that take anything; a longer one is counted.
inline constexpr std::uint32_t kInlineGapMax = 32;

/// The pattern of an .ndb line, or why it is none.
std::variant<std::vector<PatternItem>, std::string> ParsePattern(std::string_view hex);

/// A body signature as it is kept; its pattern is built from `hex` when it is needed.
struct Signature {
  std::string name;
  Target target = Target::kAny;
  Offset offset;
  std::string hex;
};

/// A signature that is the digest of a whole part.
struct HashSignature {
  static constexpr std::uint64_t kAnySize = ~std::uint64_t{0};
  std::string digest;  // raw: 16 octets MD5, 20 SHA-1, 32 SHA-256
  std::uint64_t size = kAnySize;
  std::string name;
};

/// The version of ClamAV (its "feature level") that lines are read as: 1.4. A line may say from which and up to
/// which it is meant.
inline constexpr unsigned kFeatureLevel = 216;

/// A line that is meant for another version.
struct OtherLevel {};

/// Name:Target:Offset:Hex[:MinFL[:MaxFL]], or why not.
std::variant<Signature, OtherLevel, std::string> ParseNdbLine(std::string_view line);

/// digest:size:name[:MinFL[:MaxFL]] (.hdb, .hsb), or why not.
std::variant<HashSignature, OtherLevel, std::string> ParseHashLine(std::string_view line);

/// The pattern with CRLF wherever an LF alone stands in it: ClamAV sees the text of a mail with LF, here it has
/// CRLF. Empty if there is none.
std::string WithCrLf(std::string_view hex);

/// Whether a signature for `target` is looked for in text that is folded to lower case and single blanks.
inline bool IsTextTarget(Target target) { return target == Target::kHtml || target == Target::kText; }

}  // namespace postern
