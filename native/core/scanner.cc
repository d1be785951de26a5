#include "scanner.h"

#include <algorithm>

#include "charset.h"
#include "encoded_words.h"
#include "parameters.h"

namespace postern {

namespace {

/// Stream 0 is the raw message, those of parts follow.
constexpr std::size_t kRawStream = 0;

/// What is reported of a field's text; the whole of it is in the message.
constexpr std::size_t kFieldTextMax = 1024;

/// libhs counts a block in an unsigned int.
constexpr std::size_t kBlockMax = std::size_t{1} << 30;

/// Octets of all names of one message.
constexpr std::size_t kNamesBytesMax = 1024 * 1024;

/// Octets of the headers of all parts of one message, where they are wanted.
constexpr std::size_t kHeadersBytesMax = 4 * 1024 * 1024;

/// RFC 6838 section 4.2 gives a media type 127 characters on each side of its slash.
constexpr std::size_t kTypeMax = 255;

std::string CutText(std::string text, std::size_t max) {
  if (text.size() <= max) return text;
  std::size_t cut = max;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;  // not inside of a character
  text.resize(cut);
  return text;
}

std::string FieldText(std::string_view value, CharsetConverter& charsets) {
  return CutText(DecodeWords(Trim(Unfold(value)), charsets).front(), kFieldTextMax);
}

/// '2' before '10', '1' before '1.1': the order of the message for one reading, and for several a fixed one.
bool PathBefore(std::string_view a, std::string_view b) {
  const auto digits = [](std::string_view text) {
    std::size_t n = 0;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
    return n;
  };
  while (!a.empty() && !b.empty()) {
    const std::size_t m = digits(a);
    const std::size_t n = digits(b);
    if (m != n) return m > 0 && n > 0 ? m < n : a.front() < b.front();  // numbers have no zeros before them
    const std::size_t length = std::max<std::size_t>(m, 1);
    const int order = a.substr(0, length).compare(b.substr(0, length));
    if (order != 0) return order < 0;
    a.remove_prefix(length);
    b.remove_prefix(length);
  }
  return a.size() < b.size();
}

/// The h= tag of a DKIM-Signature (RFC 6376 section 3.5).
void ReadDkimSigned(std::string_view value, std::set<std::string>& out) {
  constexpr std::size_t kNamesMax = 200;
  constexpr std::size_t kNameMax = 100;
  std::string text;
  for (const char c : value) {
    if (!IsBlank(c) && c != '\r' && c != '\n') text.push_back(LowerAscii(c));
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find(';');
    std::string_view tag = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (!tag.starts_with("h=")) continue;
    tag.remove_prefix(2);
    while (!tag.empty() && out.size() < kNamesMax) {
      const std::size_t colon = tag.find(':');
      const std::string_view name = tag.substr(0, colon);
      if (!name.empty() && name.size() <= kNameMax && IsUtf8(name)) out.emplace(name);
      tag = colon == std::string_view::npos ? std::string_view() : tag.substr(colon + 1);
    }
  }
}

}  // namespace

Scanner::Scanner(std::shared_ptr<const SignatureDatabase> database, MimeLimits limits)
    : database_(std::move(database)), limits_(limits), streams_(database_->engine()->Open()) {}

Scanner::~Scanner() = default;

void Scanner::Begin(Framer::Mode mode) {
  framer_.Begin(mode);
  second_.reset();
  parser_.reset();
  report_ = ScanReport();
  suspicion_.Begin(*database_);
  free_.clear();
  for (Handle handle = open_.size(); handle-- > 0;) free_.push_back(handle);
  names_bytes_ = 0;
  headers_bytes_ = 0;
  charsets_.emplace();
  context_.emplace(MimeContext{*this, *charsets_, limits_});
  parser_.emplace(*context_, 0, "");
  if (!raw_.Begin(*streams_, kRawStream, suspicion_)) Failed();
}

Framer::Step Scanner::Write(Bytes in, std::uint8_t* out) {
  const Framer::Step step = framer_.Write(in, out);
  const Bytes produced(out, step.produced);
  if (produced.empty()) return step;
  for (std::size_t from = 0; from < produced.size(); from += kBlockMax) {
    const Bytes block = produced.subspan(from, std::min(kBlockMax, produced.size() - from));
    if (!raw_.Write(block)) Failed();
  }
  parser_->Write(produced);
  return step;
}

const ScanReport& Scanner::Finish() {
  framer_.Finish();
  raw_.Finish();
  parser_->Finish();
  const auto before = [](const PartReport& a, const PartReport& b) { return PathBefore(a.path, b.path); };
  std::stable_sort(report_.parts.begin(), report_.parts.end(), before);
  report_.bare_lf = framer_.bare_lf();
  report_.bare_cr = framer_.bare_cr();
  report_.nul = framer_.nul();
  report_.eight_bit = framer_.eight_bit();
  report_.longest_line = framer_.longest_line();
  report_.bytes = framer_.bytes();
  report_.needs_recheck = !Candidates().empty();
  return report_;
}

/// The suspects that the message has something for: a signature for programs is none of a mail without one.
std::vector<std::uint32_t> Scanner::Candidates() const {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t id : suspicion_.suspects()) {
    const Target target = database_->signature(id).target;
    const auto fits = [target](const PartReport& part) { return TargetFits(target, part); };
    if (target == Target::kMail || target == Target::kAny || std::any_of(report_.parts.begin(), report_.parts.end(), fits)) {
      out.push_back(id);
    }
  }
  return out;
}

void Scanner::BeginRecheck() { second_.emplace(*database_, limits_, report_, Candidates()); }

void Scanner::Recheck(Bytes stored) { second_->Write(stored); }

const ScanReport& Scanner::FinishRecheck() {
  second_->Finish();
  second_.reset();
  // What was found in a part needs no telling of the raw message that the part stands in.
  std::erase_if(report_.hits, [this](const SignatureHit& hit) {
    const auto elsewhere = report_.hits.lower_bound({hit.signature, std::string(1, '\0')});
    return hit.path.empty() && elsewhere != report_.hits.end() && elsewhere->signature == hit.signature;
  });
  report_.needs_recheck = false;
  return report_;
}

PartSink::Handle Scanner::PartBegin(PartInfo info) {
  if (free_.empty()) {
    free_.push_back(open_.size());
    open_.push_back(std::make_unique<Open>());
  }
  const Handle handle = free_.back();
  free_.pop_back();
  Open& part = *open_[handle];
  part.report = report_.parts.size();
  part.encoded = info.encoded;
  part.lines = info.lines;
  part.head.clear();
  PartReport report;
  report.path = std::move(info.path);
  report.type = CutText(GuessToUtf8(info.type), kTypeMax);
  AddNames(report, std::move(info.names));
  report_.parts.push_back(std::move(report));
  bool good = part.sha256.Begin(database_->sha256());
  if (database_->wants_sha1()) good = part.sha1.Begin(database_->sha1()) && good;
  if (database_->wants_md5()) good = part.md5.Begin(database_->md5()) && good;
  if (part.lines) good = part.line_digests.Begin(*database_) && good;
  if (part.encoded) good = part.watched.Begin(*streams_, kRawStream + 1 + handle, suspicion_) && good;
  if (!good) Failed();
  return handle;
}

void Scanner::PartData(Handle handle, Bytes decoded) {
  Open& part = *open_[handle];
  report_.parts[part.report].size += decoded.size();
  if (part.head.size() < kMagicBytes) {
    part.head.append(AsText(decoded.first(std::min(decoded.size(), kMagicBytes - part.head.size()))));
  }
  bool good = part.sha256.Update(decoded);
  if (database_->wants_sha1()) good = part.sha1.Update(decoded) && good;
  if (database_->wants_md5()) good = part.md5.Update(decoded) && good;
  if (part.lines) good = part.line_digests.Write(decoded) && good;
  if (part.encoded) good = part.watched.Write(decoded) && good;
  if (!good) Failed();
}

void Scanner::PartName(Handle handle, std::string name) {
  AddNames(report_.parts[open_[handle]->report], DecodeWords(name, *charsets_));
}

void Scanner::AddNames(PartReport& part, std::vector<std::string> names) {
  for (std::string& name : names) {
    if (part.names.size() >= Readings::kMax || names_bytes_ + name.size() > kNamesBytesMax) {
      report_.limits.emplace("names");
      return;
    }
    names_bytes_ += name.size();
    part.names.push_back(std::move(name));
  }
}

void Scanner::PartEnd(Handle handle) {
  Open& part = *open_[handle];
  PartReport& report = report_.parts[part.report];
  if (part.encoded) part.watched.Finish();
  report.magic = MagicType(AsBytes(part.head));
  const std::string sha256 = part.sha256.Finish();
  if (sha256.empty()) Failed();
  report.sha256 = HexOf(sha256);
  if (database_->wants_sha256()) LookUp(sha256, report.size, report);
  LookUpDigests(part, report);
  free_.push_back(handle);
}

void Scanner::LookUpDigests(Open& part, const PartReport& report) {
  if (database_->wants_sha1()) LookUp(part.sha1.Finish(), report.size, report);
  if (database_->wants_md5()) LookUp(part.md5.Finish(), report.size, report);
  if (!part.lines) return;
  std::vector<LineDigests::Found> found;
  if (!part.line_digests.Finish(found)) Failed();
  for (const auto& [digest, size] : found) LookUp(digest, size, report);
}

void Scanner::LookUp(const std::string& digest, std::uint64_t size, const PartReport& part) {
  const std::string_view name = database_->FindHash(digest, size);
  if (!name.empty()) report_.hits.insert({std::string(name), part.path});
}

void Scanner::HeaderField(std::string_view name, std::string_view value) {
  HeaderReport& header = report_.header;
  if (name == "received") {
    ++header.received_count;
  } else if (name == "from") {
    header.has_from = true;
  } else if (name == "date") {
    header.has_date = true;
  } else if (name == "message-id") {
    header.has_message_id = true;
    header.message_id = FieldText(value, *charsets_);
  } else if (name == "to" || name == "cc" || name == "bcc") {
    header.has_recipient = true;
  } else if (name == "subject") {
    header.subject = FieldText(value, *charsets_);
  } else if (name == "dkim-signature") {
    ReadDkimSigned(value, header.dkim_signed);
  }
}

void Scanner::HeaderEnd(std::uint64_t bytes) { report_.header.bytes = bytes; }

void Scanner::PartHeader(bool message, std::string_view text) {
  if (headers_bytes_ + text.size() > kHeadersBytesMax) {
    report_.limits.emplace("header");
    return;
  }
  headers_bytes_ += text.size();
  report_.headers.push_back({message, std::string(text)});
}

}  // namespace postern
