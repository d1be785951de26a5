#include "header.h"

#include <algorithm>
#include <array>

namespace postern {

namespace {

/// RFC 5322 gives a field name no limit; Postfix's header_token has none either. Nothing real is near this.
constexpr std::size_t kNameMax = 256;

constexpr std::array<std::string_view, 9> kOutermost = {
    "received", "from", "date", "message-id", "to", "cc", "bcc", "subject", "dkim-signature",
};

/// The length of a field's name, 0 if the line does not begin with one.
std::size_t NameLength(std::string_view line) {
  std::size_t i = 0;
  while (i < line.size() && i < kNameMax && line[i] > 32 && line[i] < 127 && line[i] != ':') ++i;
  const std::size_t length = i;
  while (i < line.size() && i < kNameMax && IsBlank(line[i])) ++i;
  return i < line.size() && line[i] == ':' ? length : 0;
}

bool IsKept(std::string_view lower, bool outermost) {
  if (lower.starts_with("content-")) {
    return lower == "content-type" || lower == "content-disposition" || lower == "content-transfer-encoding";
  }
  return outermost && std::find(kOutermost.begin(), kOutermost.end(), lower) != kOutermost.end();
}

/// The encoding that a Content-Transfer-Encoding means; misspelt ones are taken as mail programs guess them.
Encoding EncodingOf(std::string_view value, bool& known) {
  std::string word;
  for (const char c : MediaType(value)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) word.push_back(c);
  }
  known = word == "base64" || word == "quotedprintable" || word == "7bit" || word == "8bit" || word == "binary" ||
          word == "xuuencode" || word == "uuencode" || word == "xuue" || word.empty();
  if (word.find("base64") != std::string::npos) return Encoding::kBase64;
  if (word.find("quoted") != std::string::npos) return Encoding::kQuotedPrintable;
  if (word.find("uue") != std::string::npos) return Encoding::kUuencode;
  return Encoding::kIdentity;
}

void DescribeType(std::string_view value, BodyDescription& out) {
  const std::string type = MediaType(value);
  if (!out.typed && !type.empty()) out.type = type;
  if (out.typed && type != out.type) out.defects.push_back("several-content-types");
  out.typed = true;
  if (type.starts_with("multipart")) out.multipart = true;
  if (type == "multipart/digest") out.digest = true;
  if (type == "message/rfc822" || type == "message/global" || type == "message/news") out.message = true;
  if (type == "message/partial" || type == "message/external-body") out.defects.push_back("message-elsewhere");
  Readings boundaries;
  CollectBoundaries(value, boundaries);
  if (boundaries.full()) out.too_many_readings = true;
  // A boundary makes a multipart of whatever the type is called: "multipart-mixed", "multi part/mixed"…
  if (!boundaries.all().empty()) out.multipart = true;
  for (const std::string& boundary : boundaries.all()) {
    if (std::find(out.boundaries.begin(), out.boundaries.end(), boundary) == out.boundaries.end()) {
      out.boundaries.push_back(boundary);
    }
  }
}

void DescribeEncoding(std::string_view value, BodyDescription& out) {
  bool known = false;
  const Encoding encoding = EncodingOf(value, known);
  if (!known) out.defects.push_back("unknown-encoding");
  if (std::find(out.encodings.begin(), out.encodings.end(), encoding) != out.encodings.end()) return;
  if (!out.encodings.empty()) out.defects.push_back("several-encodings");
  out.encodings.push_back(encoding);
}

}  // namespace

bool LooksLikeField(std::string_view line) { return NameLength(line) > 0; }

namespace {

/// Fields that stand first in saved, sent and bounced mail; a name that ends in '-' stands for all that begin so.
constexpr std::string_view kFirstFields[] = {
    "apparently-to", "arc-", "authentication-results", "bcc", "cc", "content-", "date", "delivered-to", "dkim-", "domainkey-",
    "envelope-to", "errors-to", "feedback-id", "from", "importance", "in-reply-to", "list-", "mail-from", "message-id",
    "mime-version", "precedence", "priority", "received", "received-spf", "references", "reply-to", "resent-", "return-path",
    "return-receipt-to", "sender", "status", "subject", "thread-", "to", "user-agent", "x-",
};

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Saved mail, and pages that are saved as mail.
constexpr std::string_view kMessageFiles[] = {".eml", ".emlx", ".mht", ".mhtml", ".nws"};

/// message/… types that are no messages: fields about one.
constexpr std::string_view kMessageNotes[] = {
    "message/delivery-status",          "message/global-delivery-status",
    "message/disposition-notification", "message/global-disposition-notification",
    "message/feedback-report",          "message/global-headers",
};

bool IsFirstField(std::string_view name) {
  const std::string lower = LowerAscii(name);
  return std::any_of(std::begin(kFirstFields), std::end(kFirstFields), [&](std::string_view known) {
    return known.ends_with('-') ? lower.starts_with(known) && lower.size() > known.size() : lower == known;
  });
}

}  // namespace

std::size_t BeforeMessage(std::string_view head) {
  std::size_t i = head.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (i < head.size() && (head[i] == '\r' || head[i] == '\n')) ++i;
  return i;
}

bool OpensAsMessage(std::string_view type, const std::vector<std::string>& names) {
  if (type.starts_with("message/")) {
    return std::find(std::begin(kMessageNotes), std::end(kMessageNotes), type) == std::end(kMessageNotes);
  }
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    const std::string lower = LowerAscii(TrimRight(name));
    return std::any_of(std::begin(kMessageFiles), std::end(kMessageFiles),
                       [&](std::string_view ending) { return lower.ends_with(ending); });
  });
}

MessageHead BeginsMessage(std::string_view head) {
  const bool full = head.size() >= kMessageHeadMax;
  if (head.size() < kByteOrderMark.size()) return MessageHead::kOpen;
  head.remove_prefix(BeforeMessage(head));
  if (head.starts_with("From ") || head.starts_with(">From ")) return MessageHead::kMessage;
  const std::size_t end = head.find_first_of("\r\n");
  const std::string_view line = head.substr(0, end);
  const std::size_t length = NameLength(line);
  if (length > 0) return IsFirstField(line.substr(0, length)) ? MessageHead::kMessage : MessageHead::kOther;
  return full || end != std::string_view::npos ? MessageHead::kOther : MessageHead::kOpen;
}

void HeaderCollector::Begin(bool outermost) {
  outermost_ = outermost;
  keep_ = false;
  any_ = false;
  fields_.clear();
}

HeaderCollector::Line HeaderCollector::Add(std::string_view line) {
  if (!line.empty() && IsBlank(line.front())) {
    if (!any_) return Line::kOther;
    if (keep_) fields_.back().value.append("\r\n").append(line);
    return Line::kFold;
  }
  const std::size_t length = NameLength(line);
  if (length == 0) {
    // mbox leaves such a first line behind.
    const bool mbox = !any_ && (line.starts_with("From ") || line.starts_with(">From "));
    return mbox ? Line::kMbox : Line::kOther;
  }
  any_ = true;
  std::string name = LowerAscii(line.substr(0, length));
  keep_ = IsKept(name, outermost_);
  if (keep_) {
    const std::size_t colon = line.find(':', length);
    fields_.push_back({std::move(name), std::string(line.substr(colon + 1))});
  }
  return Line::kField;
}

BodyDescription Describe(const std::vector<HeaderField>& fields, CharsetConverter& charsets) {
  BodyDescription out;
  Readings names;
  for (const HeaderField& field : fields) {
    if (field.name == "content-type") DescribeType(field.value, out);
    if (field.name == "content-transfer-encoding") DescribeEncoding(field.value, out);
    if (field.name == "content-type" || field.name == "content-disposition") {
      CollectNames(field.value, "filename", charsets, names);
      CollectNames(field.value, "name", charsets, names);
    }
  }
  if (out.encodings.empty()) out.encodings.push_back(Encoding::kIdentity);
  out.names = names.all();
  out.too_many_readings = out.too_many_readings || names.full();
  return out;
}

}  // namespace postern
