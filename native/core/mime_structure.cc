// The half of MimeParser that knows what a header or a delimiter opens and closes; mime.cc cuts the octets into
// lines for it.

#include <algorithm>

#include "mime.h"
#include "part_writer.h"
#include "uu_files.h"

namespace postern {

namespace {

/// Boundaries longer than this are not guessed from the text.
constexpr std::size_t kGuessMax = 200;

}  // namespace

std::string JoinPath(const std::string& path, const std::string& child) {
  return path.empty() ? child : path + '.' + child;
}

bool MimeContext::TakePart() {
  if (counted != nullptr) return counted->TakePart();
  if (parts >= limits.parts_max) {
    sink.Limit("parts");
    return false;
  }
  ++parts;
  return true;
}

MimeContext MimeContext::Share() {
  constexpr std::uint32_t kShare = 8;
  MimeContext& whole = counted != nullptr ? *counted : *this;
  MimeContext out{sink, charsets, limits};
  out.limits.parts_max = (whole.limits.parts_max - whole.parts) / kShare;
  whole.parts += out.limits.parts_max;
  return out;
}

MimeContext MimeContext::Unannounced() {
  MimeContext out{sink, charsets, limits};
  out.limits.keep_headers = false;
  out.counted = counted != nullptr ? counted : this;
  return out;
}

/// A message's own body is '1' of it unless it is a multipart, whose parts are then the message's (RFC 3501
/// section 6.4.5).
std::string MimeParser::PartPath(bool multipart) const {
  return message_header_ && !multipart ? JoinPath(path_, "1") : path_;
}

void MimeParser::OpenBody() {
  BodyDescription body = Describe(header_.fields(), context_.charsets);
  for (const std::string_view defect : body.defects) context_.sink.Defect(defect);
  if (body.too_many_readings) context_.sink.Limit("names");
  const Entity* around = message_header_ ? nullptr : InnermostMultipart();
  if (!body.typed && around != nullptr && around->digest) {
    body.type = "message/rfc822";  // RFC 2046 section 5.1.5
    body.message = true;
  }
  const bool deeper = body.multipart || body.message;
  const bool too_deep = deeper && depth_ + stack_.size() >= context_.limits.depth_max;
  if (too_deep) context_.sink.Limit("depth");
  PartInfo info{PartPath(body.multipart && !too_deep), body.type, std::move(body.names), false};
  if (body.message && !body.multipart && !too_deep) {
    OpenMessage(std::move(info), body.encodings.front());
    return;
  }
  if (body.multipart && !too_deep) {
    OpenMultipart(info.path, body);
    // Some programs show such a multipart as a file, or decode it as a whole: it is a part as well.
    const bool encoded = body.encodings.front() != Encoding::kIdentity;
    const bool plain = !body.boundaries.empty() && info.names.empty() && body.type.starts_with("multipart");
    if (plain && !encoded) return;
    if (encoded) context_.sink.Defect("encoded-multipart");
  }
  OpenLeaf(std::move(info), body);
}

void MimeParser::OpenMultipart(const std::string& path, const BodyDescription& body) {
  Entity entity;
  entity.multipart = true;
  entity.digest = body.digest;
  entity.path = path;
  entity.boundaries = body.boundaries;
  if (entity.boundaries.size() > kBoundariesMax) {
    context_.sink.Limit("boundaries");
    entity.boundaries.resize(kBoundariesMax);
  }
  entity.declared = entity.boundaries.size();
  if (entity.declared == 0) context_.sink.Defect("no-boundary");
  stack_.push_back(std::move(entity));
}

/// One part for each encoding that the header names.
void MimeParser::OpenLeaf(PartInfo info, const BodyDescription& body) {
  for (const Encoding encoding : body.encodings) {
    if (!context_.TakePart()) return;
    PartInfo reading = info;
    reading.encoded = encoding != Encoding::kIdentity;
    reading.lines = encoding == Encoding::kIdentity || encoding == Encoding::kQuotedPrintable;
    leaf_.push_back(std::make_unique<PartWriter>(context_, reading, encoding));
    LookInside(*leaf_.back(), reading, body, encoding);
  }
}

/// What a part may hold besides what it says: a multipart that was encoded as a whole, a message, uuencoded files.
void MimeParser::LookInside(PartWriter& writer, const PartInfo& info, const BodyDescription& body, Encoding encoding) {
  const auto depth = static_cast<std::uint32_t>(depth_ + stack_.size() + 1);
  if (body.multipart) {
    if (info.encoded && depth <= context_.limits.depth_max) writer.ParseMessage(depth, ContentTypeFields());
  } else {
    // Readings of one part in two encodings are two messages.
    const std::string number = leaf_.size() > 1 ? std::to_string(leaf_.size()) : "";
    writer.ProbeMessage(depth, info.path + 'm' + number, OpensAsMessage(info.type, info.names));
  }
  const bool text = body.type.starts_with("text/") || !body.typed;
  if (info.lines || (text && encoding != Encoding::kUuencode)) writer.FindUuencode();
}

/// The header that the decoded octets of an encoded multipart are parsed under.
std::string MimeParser::ContentTypeFields() const {
  std::string out;
  for (const HeaderField& field : header_.fields()) {
    if (field.name == "content-type") out += "Content-Type:" + field.value + "\r\n";
  }
  return out + "\r\n";
}

void MimeParser::OpenMessage(PartInfo info, Encoding encoding) {
  Entity entity;
  entity.path = info.path;
  const std::string path = info.path;
  info.encoded = encoding != Encoding::kIdentity;
  BoxWrite({});  // the empty line belongs to the messages around
  const auto depth = static_cast<std::uint32_t>(depth_ + stack_.size() + 1);
  if (info.encoded) {
    if (!context_.TakePart()) return;
    leaf_.push_back(std::make_unique<PartWriter>(context_, std::move(info), encoding));
    leaf_.back()->ParseMessage(depth, {});
    // RFC 2046 section 5.2.1 forbids to encode a message, so some programs take it as it stands.
    if (!is_reading_) BeginReading({path + 'm', true, true});
    return;
  }
  if (context_.TakePart()) entity.box = std::make_unique<PartWriter>(context_, std::move(info), encoding);
  stack_.push_back(std::move(entity));
  box_line_end_ = false;
  StartHeader(path, true);
}

bool MimeParser::TryDelimiter(std::string_view line) {
  if (!guess_.empty()) {
    std::string guess;
    guess.swap(guess_);
    if (LooksLikeField(line)) {
      AcceptGuess(std::move(guess), line);
      return true;
    }
  }
  if (!line.starts_with("--")) return false;
  Match match;
  if (FindMatch(line, match)) {
    Delimiter(match, line);
    return true;
  }
  NoteAmbiguous(line);
  const std::string_view text = TrimRight(line.substr(2));
  if (Guessing() && !text.empty() && text.size() <= kGuessMax) guess_ = text;
  return false;
}

/// A declared boundary with something behind it is a delimiter by RFC 2046 section 5.1.1 and by Postfix, and text
/// for most mail programs; one in other case is one for few. The main reading takes it for text.
void MimeParser::NoteAmbiguous(std::string_view line) {
  const std::string_view text = line.substr(2);
  for (std::size_t level = stack_.size(); level-- > 0;) {
    const Entity& entity = stack_[level];
    for (std::size_t i = 0; i < entity.declared; ++i) {
      const std::string& boundary = entity.boundaries[i];
      if (boundary.empty() || !EqualsIgnoreCase(text.substr(0, boundary.size()), boundary)) continue;
      context_.sink.Defect("ambiguous-boundary");
      EndReadings();
      BeginReading({JoinPath(entity.path, std::to_string(entity.children + 1) + 'b')});
      return;
    }
  }
}

/// The innermost entity that has the line for its delimiter.
bool MimeParser::FindMatch(std::string_view line, Match& match) const {
  const std::string_view text = TrimRight(line.substr(2));
  for (std::size_t level = stack_.size(); level-- > 0;) {
    const Entity& entity = stack_[level];
    for (std::size_t i = 0; i < entity.boundaries.size(); ++i) {
      const std::string& boundary = entity.boundaries[i];
      if (!text.starts_with(boundary)) continue;
      const std::string_view rest = text.substr(boundary.size());
      if (!rest.empty() && rest != "--") continue;
      match = {level, i < entity.declared, !rest.empty()};
      return true;
    }
  }
  return false;
}

void MimeParser::Delimiter(const Match& match, std::string_view line) {
  EndReadings();
  CloseLeaf();
  CloseOutside();
  while (stack_.size() > match.level + 1) {
    CloseEntity(stack_.back());
    stack_.pop_back();
  }
  BoxWrite(AsBytes(line));
  box_line_end_ = !line.empty();
  leaf_line_end_ = false;
  guess_.clear();
  Entity& entity = stack_.back();
  if (match.declared) entity.declared_seen = true;
  if (match.close) {
    entity.closed = true;
    state_ = State::kBody;
    at_line_start_ = true;
    return;
  }
  if (entity.closed) context_.sink.Defect("epilogue-part");
  entity.closed = false;
  ++entity.children;
  StartHeader(JoinPath(entity.path, std::to_string(entity.children)), false);
}

void MimeParser::AcceptGuess(std::string guess, std::string_view line) {
  std::size_t level = stack_.size();
  while (level > 0 && !stack_[level - 1].multipart) --level;
  Entity& entity = stack_[level - 1];
  context_.sink.Defect("guessed-part");
  if (entity.boundaries.size() >= kBoundariesMax) {
    context_.sink.Limit("boundaries");
  } else {
    entity.boundaries.push_back(std::move(guess));
  }
  entity.closed = false;
  const std::string copy(line);
  Delimiter({level - 1, false, false}, {});
  HeaderLine(copy);
}

/// Whether the text here belongs to no part, or to one that was guessed itself.
bool MimeParser::Guessing() const {
  const Entity* entity = InnermostMultipart();
  if (entity == nullptr) return false;
  return leaf_.empty() || !entity->declared_seen;
}

const MimeParser::Entity* MimeParser::InnermostMultipart() const {
  for (std::size_t level = stack_.size(); level-- > 0;) {
    if (stack_[level].multipart) return &stack_[level];
  }
  return nullptr;
}

void MimeParser::CloseLeaf() {
  for (const auto& writer : leaf_) writer->Finish();
  leaf_.clear();
}

/// Text before the first part of a multipart and behind the last one: old mail programs show it, with the files
/// that are uuencoded in it.
void MimeParser::WriteOutside(Bytes text) {
  if (stack_.empty() || !stack_.back().multipart) return;
  if (outside_ == nullptr) outside_ = std::make_unique<UuFiles>(context_, stack_.back().path);
  outside_->Write(text);
}

void MimeParser::CloseOutside() {
  if (outside_ != nullptr) outside_->Finish();
  outside_.reset();
}

void MimeParser::CloseEntity(Entity& entity) {
  if (entity.box != nullptr) entity.box->Finish();
  if (!entity.multipart) return;
  if (!entity.closed) context_.sink.Defect("unclosed-multipart");
  if (entity.declared > 0 && !entity.declared_seen) context_.sink.Defect("boundary-never-seen");
}

/// A second reading of what follows, until the next delimiter that is beyond doubt; nullptr if there are too many.
MimeParser* MimeParser::BeginReading(Reading reading) {
  std::erase_if(readings_, [](const auto& other) { return other->done_; });
  const std::uint32_t depth = depth_ + static_cast<std::uint32_t>(stack_.size()) + 1;
  const bool room = !is_reading_ && readings_.size() < kReadingsMax && depth <= context_.limits.depth_max;
  auto context = room ? std::make_unique<MimeContext>(context_.Share()) : nullptr;
  if (context == nullptr || context->limits.parts_max == 0) {
    context_.sink.Limit("readings");
    return nullptr;
  }
  auto other = std::make_unique<MimeParser>(*context, depth, "");
  other->own_context_ = std::move(context);
  other->is_reading_ = true;
  other->probe_ = reading.probe;
  other->root_header_ = false;
  other->StartHeader(std::move(reading.path), reading.message);
  readings_.push_back(std::move(other));
  return readings_.back().get();
}

void MimeParser::EndReadings() {
  for (const auto& other : readings_) {
    other->leaf_line_end_ = false;  // it belongs to the delimiter
    other->box_line_end_ = false;
    other->Finish();
  }
  readings_.clear();
  undecided_.clear();
}

void MimeParser::Consume(const std::uint8_t* p, const std::uint8_t* end) {
  while (p < end) p = state_ == State::kHeader ? ConsumeHeader(p, end) : ConsumeBody(p, end);
}

}  // namespace postern
