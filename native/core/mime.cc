#include "mime.h"

#include <cstring>

namespace postern {

namespace {

/// RFC 2046 section 5.1.1 gives a boundary 70 characters; white space may follow on the line. A line longer
/// than this is judged by its start.
constexpr std::size_t kCandidateMax = 4096;

/// Boundaries longer than this are not guessed from the text.
constexpr std::size_t kGuessMax = 200;

constexpr std::string_view kCrLf = "\r\n";

std::string Join(const std::string& path, const std::string& child) { return path.empty() ? child : path + '.' + child; }

std::string_view WithoutCr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

bool MimeContext::TakePart() {
  if (parts >= limits.parts_max) {
    sink.Limit("parts");
    return false;
  }
  ++parts;
  return true;
}

MimeParser::MimeParser(MimeContext& context, std::uint32_t depth, std::string path)
    : context_(context), depth_(depth), outermost_(depth == 0) {
  StartHeader(std::move(path), true);
}

MimeParser::~MimeParser() = default;

/// Line ends reach the rest whole: a CR that ends a block waits for its LF.
void MimeParser::Write(Bytes block) {
  const std::uint8_t* p = block.data();
  const std::uint8_t* end = p + block.size();
  if (p == end) return;
  if (held_cr_) {
    held_cr_ = false;
    if (*p == '\n') {
      ++p;
      const Bytes whole = AsBytes(kCrLf);
      Consume(whole.data(), whole.data() + whole.size());
    } else {
      const Bytes alone = AsBytes(kCrLf.substr(0, 1));
      Consume(alone.data(), alone.data() + alone.size());
    }
  }
  if (p < end && end[-1] == '\r') {
    held_cr_ = true;
    --end;
  }
  Consume(p, end);
}

void MimeParser::Consume(const std::uint8_t* p, const std::uint8_t* end) {
  while (p < end) p = state_ == State::kHeader ? ConsumeHeader(p, end) : ConsumeBody(p, end);
}

void MimeParser::StartHeader(std::string path, bool message) {
  state_ = State::kHeader;
  header_.Begin(outermost_ && root_header_);
  header_bytes_ = 0;
  path_ = std::move(path);
  message_header_ = message;
}

const std::uint8_t* MimeParser::ConsumeHeader(const std::uint8_t* p, const std::uint8_t* end) {
  const auto* lf = static_cast<const std::uint8_t*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
  const std::uint8_t* stop = lf == nullptr ? end : lf + 1;
  const std::size_t length = static_cast<std::size_t>(stop - p);
  if (header_bytes_ + line_.size() + length > context_.limits.header_bytes_max) {
    OverlongHeader();
    return p;
  }
  if (lf == nullptr) {
    line_.append(reinterpret_cast<const char*>(p), length);
    return end;
  }
  std::string_view line(reinterpret_cast<const char*>(p), length - 1);
  std::string held;
  if (!line_.empty()) {
    line_.append(line);
    held.swap(line_);
    line = held;
  }
  header_bytes_ += line.size() + 1;
  HeaderLine(WithoutCr(line));
  return stop;
}

/// The rest of a header that is too long is body (Postfix header_size_limit).
void MimeParser::OverlongHeader() {
  context_.sink.Limit("header");
  EndHeader();
  std::string held;
  held.swap(line_);
  const Bytes bytes = AsBytes(held);
  Consume(bytes.data(), bytes.data() + bytes.size());
}

void MimeParser::HeaderLine(std::string_view line) {
  if (line.empty()) {
    BoxWrite({});
    box_line_end_ = true;
    EndHeader();
    return;
  }
  Match match;
  if (line.starts_with("--") && FindMatch(line, match)) {
    context_.sink.Defect("no-blank-line");
    header_bytes_ -= line.size() + kCrLf.size();
    EndHeader();
    Delimiter(match, line);
    return;
  }
  switch (header_.Add(line)) {
    case HeaderCollector::Line::kField:
    case HeaderCollector::Line::kFold:
    case HeaderCollector::Line::kMbox:
      BoxWrite(AsBytes(line));
      box_line_end_ = true;
      return;
    case HeaderCollector::Line::kOther:
      break;
  }
  context_.sink.Defect("no-blank-line");
  header_bytes_ -= line.size() + kCrLf.size();
  EndHeader();
  const Bytes text = AsBytes(line);
  Consume(text.data(), text.data() + text.size());
  const Bytes line_end = AsBytes(kCrLf);
  Consume(line_end.data(), line_end.data() + line_end.size());
}

void MimeParser::EndHeader() {
  state_ = State::kBody;
  at_line_start_ = true;
  leaf_line_end_ = false;
  if (root_header_) {
    root_header_ = false;
    if (outermost_) {
      for (const HeaderField& field : header_.fields()) context_.sink.HeaderField(field.name, field.value);
      context_.sink.HeaderEnd(header_bytes_);
    }
  }
  OpenBody();
}

/// A message's own body is '1' of it unless it is a multipart, whose parts are then the message's (RFC 3501
/// section 6.4.5).
std::string MimeParser::PartPath(bool multipart) const {
  return message_header_ && !multipart ? Join(path_, "1") : path_;
}

void MimeParser::OpenBody() {
  BodyDescription body = Describe(header_.fields());
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
    leaf_.push_back(std::make_unique<PartWriter>(context_, std::move(reading), encoding));
    PartWriter& writer = *leaf_.back();
    if (encoding != Encoding::kIdentity) {
      const auto depth = static_cast<std::uint32_t>(depth_ + stack_.size() + 1);
      if (body.multipart && depth <= context_.limits.depth_max) writer.ParseMessage(depth, ContentTypeFields());
    } else if (body.type.starts_with("text/") || !body.typed) {
      writer.FindUuencode();
    }
  }
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
    return;
  }
  if (context_.TakePart()) entity.box = std::make_unique<PartWriter>(context_, std::move(info), encoding);
  stack_.push_back(std::move(entity));
  box_line_end_ = false;
  StartHeader(path, true);
}

const std::uint8_t* MimeParser::ConsumeBody(const std::uint8_t* p, const std::uint8_t* end) {
  if (at_line_start_) {
    if (!line_.empty() || *p == '-' || !guess_.empty()) return ConsumeCandidate(p, end);
    at_line_start_ = false;
    ReleaseLineEnd();
  }
  const std::uint8_t* const from = p;
  while (true) {
    const auto* lf = static_cast<const std::uint8_t*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    if (lf == nullptr) {
      Deliver(from, end);
      return end;
    }
    p = lf + 1;
    if (p < end && *p != '-') continue;
    Deliver(from, lf > from && lf[-1] == '\r' ? lf - 1 : lf);
    leaf_line_end_ = true;
    box_line_end_ = true;
    at_line_start_ = true;
    return p;
  }
}

/// A line that may be a delimiter, or decide whether the one before it was.
const std::uint8_t* MimeParser::ConsumeCandidate(const std::uint8_t* p, const std::uint8_t* end) {
  const auto* lf = static_cast<const std::uint8_t*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
  const std::uint8_t* stop = lf == nullptr ? end : lf;
  const std::size_t room = kCandidateMax - line_.size();
  const bool too_long = static_cast<std::size_t>(stop - p) > room;
  if (too_long) stop = p + room;
  line_.append(reinterpret_cast<const char*>(p), static_cast<std::size_t>(stop - p));
  const bool decided = guess_.empty() && line_.size() >= 2 && line_[1] != '-';
  if (lf == nullptr && !too_long && !decided) return end;
  std::string line;
  line.swap(line_);
  if (!decided && TryDelimiter(WithoutCr(line))) return lf == nullptr || too_long ? stop : lf + 1;
  at_line_start_ = false;
  ReleaseLineEnd();
  Deliver(line.ends_with('\r') ? std::string_view(line).substr(0, line.size() - 1) : std::string_view(line));
  if (line.ends_with('\r') && (lf == nullptr || too_long)) Deliver("\r");
  if (lf == nullptr || too_long) return stop;
  leaf_line_end_ = true;
  box_line_end_ = true;
  at_line_start_ = true;
  return lf + 1;
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
  const std::string_view text = TrimRight(line.substr(2));
  if (Guessing() && !text.empty() && text.size() <= kGuessMax) guess_ = text;
  return false;
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
  CloseLeaf();
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
  StartHeader(Join(entity.path, std::to_string(entity.children)), false);
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

void MimeParser::Deliver(std::string_view text) {
  const Bytes bytes = AsBytes(text);
  Deliver(bytes.data(), bytes.data() + bytes.size());
}

void MimeParser::Deliver(const std::uint8_t* from, const std::uint8_t* to) {
  const Bytes bytes(from, static_cast<std::size_t>(to - from));
  if (bytes.empty()) return;
  for (const auto& writer : leaf_) writer->Write(bytes);
  for (const Entity& entity : stack_) {
    if (entity.box != nullptr) entity.box->Write(bytes);
  }
}

/// A header or delimiter line inside of message parts.
void MimeParser::BoxWrite(Bytes bytes) {
  for (const Entity& entity : stack_) {
    if (entity.box == nullptr) continue;
    if (box_line_end_) entity.box->Write(AsBytes(kCrLf));
    entity.box->Write(bytes);
  }
  box_line_end_ = false;
}

/// The line that follows is no delimiter: the line end before it is text.
void MimeParser::ReleaseLineEnd() {
  if (leaf_line_end_) {
    for (const auto& writer : leaf_) writer->Write(AsBytes(kCrLf));
  }
  leaf_line_end_ = false;
  BoxWrite({});
}

void MimeParser::CloseLeaf() {
  for (const auto& writer : leaf_) writer->Finish();
  leaf_.clear();
}

void MimeParser::CloseEntity(Entity& entity) {
  if (entity.box != nullptr) entity.box->Finish();
  if (!entity.multipart) return;
  if (!entity.closed) context_.sink.Defect("unclosed-multipart");
  if (entity.declared > 0 && !entity.declared_seen) context_.sink.Defect("boundary-never-seen");
}

void MimeParser::Finish() {
  if (held_cr_) {
    held_cr_ = false;
    Consume(AsBytes(kCrLf).data(), AsBytes(kCrLf).data() + 1);
  }
  if (state_ == State::kHeader && !line_.empty()) {
    std::string line;
    line.swap(line_);
    header_bytes_ += line.size() + kCrLf.size();
    HeaderLine(WithoutCr(line));
    leaf_line_end_ = false;
    box_line_end_ = false;
  }
  while (state_ == State::kHeader) EndHeader();
  if (!line_.empty()) {
    std::string line;
    line.swap(line_);
    if (!TryDelimiter(WithoutCr(line))) {
      ReleaseLineEnd();
      Deliver(line);
    }
    while (state_ == State::kHeader) EndHeader();
  }
  ReleaseLineEnd();
  CloseLeaf();
  while (!stack_.empty()) {
    CloseEntity(stack_.back());
    stack_.pop_back();
  }
}

/// Parts for the files that a text has inside of it.
class PartWriter::UuFiles final : public ByteSink {
 public:
  UuFiles(MimeContext& context, std::string path) : context_(context), path_(std::move(path)) {}

  void Write(Bytes text) { decoder_.Write(text, *this); }
  void Finish() { decoder_.Finish(*this); }

  void FileBegin(std::string_view name) override {
    open_ = context_.TakePart();
    if (!open_) return;
    ++files_;
    PartInfo info{Join(path_, "uu" + std::to_string(files_)), "application/octet-stream", {}, true};
    handle_ = context_.sink.PartBegin(std::move(info));
    context_.sink.PartName(handle_, std::string(name));
  }
  void Data(Bytes bytes) override {
    if (open_) context_.sink.PartData(handle_, bytes);
  }
  void FileEnd() override {
    if (open_) context_.sink.PartEnd(handle_);
    open_ = false;
  }

 private:
  MimeContext& context_;
  std::string path_;
  UuDecoder decoder_;
  PartSink::Handle handle_ = 0;
  bool open_ = false;
  std::uint32_t files_ = 0;
};

/// A message that was encoded as a whole: its line ends are made whole again before it is parsed.
struct PartWriter::Nested {
  Nested(MimeContext& context, std::uint32_t depth, std::string path) : parser(context, depth, std::move(path)) {
    framer.Begin(Framer::Mode::kBdat);
  }
  Framer framer;
  MimeParser parser;
  std::vector<std::uint8_t> buffer;
};

PartWriter::PartWriter(MimeContext& context, PartInfo info, Encoding encoding)
    : context_(context), info_(info), handle_(context.sink.PartBegin(std::move(info))), decoder_(Decoder::Make(encoding)) {}

PartWriter::~PartWriter() = default;

void PartWriter::ParseMessage(std::uint32_t depth, std::string_view header) {
  nested_ = std::make_unique<Nested>(context_, depth, info_.path);
  nested_->parser.Write(AsBytes(header));
}

void PartWriter::FindUuencode() { uu_ = std::make_unique<UuFiles>(context_, info_.path); }

void PartWriter::Data(Bytes decoded) {
  context_.sink.PartData(handle_, decoded);
  if (uu_ != nullptr) uu_->Write(decoded);
  if (nested_ == nullptr) return;
  nested_->buffer.resize(Framer::OutputMax(decoded.size()));
  const Framer::Step step = nested_->framer.Write(decoded, nested_->buffer.data());
  nested_->parser.Write({nested_->buffer.data(), step.produced});
}

/// x-uuencode: the first file is the part, further ones are parts of their own.
void PartWriter::FileBegin(std::string_view name) {
  ++files_;
  if (files_ > 1 && context_.TakePart()) {
    context_.sink.PartEnd(handle_);
    PartInfo info = info_;
    info.path = Join(info.path, "uu" + std::to_string(files_));
    info.names.clear();
    handle_ = context_.sink.PartBegin(std::move(info));
  }
  context_.sink.PartName(handle_, std::string(name));
}

void PartWriter::Finish() {
  decoder_->Finish(*this);
  if (decoder_->dirty()) context_.sink.Defect("bad-encoding");
  if (uu_ != nullptr) uu_->Finish();
  context_.sink.PartEnd(handle_);
  if (nested_ == nullptr) return;
  nested_->framer.Finish();
  nested_->parser.Finish();
}

}  // namespace postern
