#include "mime.h"

#include <cstring>

#include "part_writer.h"
#include "uu_files.h"

namespace postern {

namespace {

/// RFC 2046 section 5.1.1 gives a boundary 70 characters; white space may follow on the line. A line longer
/// than this is judged by its start.
constexpr std::size_t kCandidateMax = 4096;

constexpr std::string_view kCrLf = "\r\n";

std::string_view WithoutCr(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

MimeParser::MimeParser(MimeContext& context, std::uint32_t depth, std::string path)
    : context_(context), depth_(depth), outermost_(depth == 0) {
  StartHeader(std::move(path), true);
}

MimeParser::~MimeParser() = default;

/// Line ends reach the rest whole: a CR that ends a block waits for its LF.
void MimeParser::Write(Bytes block) {
  const std::uint8_t* p = block.data();
  const std::uint8_t* end = p + block.size();
  if (p == end || done_) return;
  if (held_cr_) {
    held_cr_ = false;
    if (*p == '\n') {
      ++p;
      const Bytes whole = AsBytes(kCrLf);
      ConsumeAll(whole.data(), whole.data() + whole.size());
    } else {
      const Bytes alone = AsBytes(kCrLf.substr(0, 1));
      ConsumeAll(alone.data(), alone.data() + alone.size());
    }
  }
  if (p < end && end[-1] == '\r') {
    held_cr_ = true;
    --end;
  }
  ConsumeAll(p, end);
}

/// Each stretch goes to the main reading and then to the others, but not to one that this stretch brought about.
/// What the main reading has not decided upon yet waits: it may be the delimiter that ends them.
void MimeParser::ConsumeAll(const std::uint8_t* p, const std::uint8_t* end) {
  while (p < end && !done_) {
    const std::uint8_t* next = state_ == State::kHeader ? ConsumeHeader(p, end) : ConsumeBody(p, end);
    if (!readings_.empty()) FeedReadings({p, static_cast<std::size_t>(next - p)});
    p = next;
  }
}

void MimeParser::FeedReadings(Bytes stretch) {
  if (!line_.empty()) {
    undecided_.append(AsText(stretch));
    return;
  }
  for (const auto& other : readings_) {
    if (!other->fresh_) {
      other->Write(AsBytes(undecided_));
      other->Write(stretch);
    }
    other->fresh_ = false;
  }
  undecided_.clear();
}

void MimeParser::StartHeader(std::string path, bool message) {
  state_ = State::kHeader;
  header_.Begin(outermost_ && root_header_);
  header_bytes_ = 0;
  header_text_.clear();
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
    if (probe_ && !header_.any()) {
      done_ = true;
      return;
    }
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
      if (context_.limits.keep_headers && !(outermost_ && root_header_)) header_text_.append(line).append(kCrLf);
      [[fallthrough]];
    case HeaderCollector::Line::kMbox:
      BoxWrite(AsBytes(line));
      box_line_end_ = true;
      return;
    case HeaderCollector::Line::kOther:
      HeaderBroken(line);
      return;
  }
}

/// A line that is none of a header inside of one: the header ends before it (as Postfix and RFC 5322 have it), or
/// goes on behind it (as many mail programs do).
void MimeParser::HeaderBroken(std::string_view line) {
  if (probe_ && !header_.any()) {
    done_ = true;
    return;
  }
  context_.sink.Defect("no-blank-line");
  header_bytes_ -= line.size() + kCrLf.size();
  if (!is_reading_) {
    MimeParser* other = BeginReading({path_ + 'h', message_header_});
    if (other != nullptr) {
      other->header_ = header_;
      other->header_text_ = header_text_;
    }
  }
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
  if (!header_text_.empty()) context_.sink.PartHeader(message_header_, header_text_);
  header_text_.clear();
  OpenBody();
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

void MimeParser::Deliver(std::string_view text) {
  const Bytes bytes = AsBytes(text);
  Deliver(bytes.data(), bytes.data() + bytes.size());
}

void MimeParser::Deliver(const std::uint8_t* from, const std::uint8_t* to) {
  const Bytes bytes(from, static_cast<std::size_t>(to - from));
  if (bytes.empty()) return;
  for (const auto& writer : leaf_) writer->Write(bytes);
  if (leaf_.empty()) WriteOutside(bytes);
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
    if (outside_ != nullptr) outside_->Write(AsBytes(kCrLf));
  }
  leaf_line_end_ = false;
  BoxWrite({});
}

void MimeParser::Finish() {
  if (done_) return;
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
  CloseOutside();
  while (!stack_.empty()) {
    CloseEntity(stack_.back());
    stack_.pop_back();
  }
  for (const auto& other : readings_) {
    other->Write(AsBytes(undecided_));
    other->Finish();
  }
  readings_.clear();
}

}  // namespace postern
