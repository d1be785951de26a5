#pragma once

#include <vector>

#include "bytes.h"
#include "charset.h"

namespace postern {

/// Readings of one kind of parameter, each once, at most kMax.
class Readings {
 public:
  /// A name has a handful of readings; more is somebody's game, and is told as a limit.
  static constexpr std::size_t kMax = 64;
  /// Octets of one reading. File systems take 255.
  static constexpr std::size_t kBytesMax = 4096;

  void Add(std::string reading);
  /// Something was left out.
  void Overflow() { full_ = true; }
  bool full() const { return full_; }
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::vector<std::string> all_;
  bool full_ = false;
};

/// Every way in which a mail program may read the file name in a Content-Disposition (`key` "filename") or a
/// Content-Type ("name") field: quoted, unquoted, with RFC 2231 pieces and charsets, with RFC 2047 words, raw
/// 8-bit, with comments, cut at a NUL, given twice. `value` is the field's value, its folds still in it.
void CollectNames(std::string_view value, std::string_view key, CharsetConverter& charsets, Readings& names);

/// The same for the boundary of a multipart, as octets.
void CollectBoundaries(std::string_view value, Readings& boundaries);

/// A field's value with its folds taken out (RFC 5322 section 2.2.3).
std::string Unfold(std::string_view value);

/// "type/subtype" in lower case without comments and parameters, or what stands in its place.
std::string MediaType(std::string_view value);

}  // namespace postern
