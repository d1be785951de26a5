#pragma once

#include <vector>

#include "bytes.h"
#include "decoder.h"
#include "parameters.h"

namespace postern {

struct HeaderField {
  std::string name;   // lower case
  std::string value;  // with its folds
};

/// Gathers the fields of one header section that matter; the others are only recognised.
class HeaderCollector {
 public:
  enum class Line { kField, kFold, kMbox, kOther };

  void Begin(bool outermost);
  /// One line without its line end. kOther is not of a header.
  Line Add(std::string_view line);
  const std::vector<HeaderField>& fields() const { return fields_; }
  /// Whether there was any field yet.
  bool any() const { return any_; }

 private:
  bool outermost_ = false;
  bool keep_ = false;
  bool any_ = false;
  std::vector<HeaderField> fields_;
};

/// What a part's header says about its body, all readings of it.
struct BodyDescription {
  std::string type = "text/plain";
  bool typed = false;
  bool multipart = false;
  bool message = false;
  bool digest = false;
  std::vector<std::string> boundaries;
  std::vector<std::string> names;
  std::vector<Encoding> encodings;
  std::vector<std::string_view> defects;
  bool too_many_readings = false;
};

BodyDescription Describe(const std::vector<HeaderField>& fields, CharsetConverter& charsets);

/// `token:` or `token :` as a header field begins (RFC 5322 section 2.2).
bool LooksLikeField(std::string_view line);

/// What the first octets of some text say about whether it is a message.
enum class MessageHead { kOpen, kMessage, kOther };

/// BeginsMessage needs no more than so many octets.
inline constexpr std::size_t kMessageHeadMax = 80;

/// Whether text begins with a field that mail begins with (or with mbox's From line), behind what stands before a
/// message; kOpen while that cannot be said yet.
MessageHead BeginsMessage(std::string_view head);

/// The length of what may stand before a saved message: a byte order mark, empty lines.
std::size_t BeforeMessage(std::string_view head);

/// Whether mail programs open a part as a message: by the name of its file, or because it says message/….
bool OpensAsMessage(std::string_view type, const std::vector<std::string>& names);

}  // namespace postern
