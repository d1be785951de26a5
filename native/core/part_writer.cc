#include "part_writer.h"

#include <algorithm>

#include "header.h"

namespace postern {

/// A message that was encoded as a whole: its line ends are made whole again before it is parsed.
struct PartWriter::Nested {
  Nested(MimeContext& around, std::uint32_t depth, std::string path, bool declared)
      : unannounced(around.Unannounced()), parser(declared ? around : unannounced, depth, std::move(path)) {
    framer.Begin(Framer::Mode::kBdat);
  }
  MimeContext unannounced;
  Framer framer;
  MimeParser parser;
  std::vector<std::uint8_t> buffer;
};

/// The first octets of a part, until it is known whether they begin a message.
struct PartWriter::Probe {
  std::uint32_t depth;
  std::string path;
  bool always;
  std::string head;
};

PartWriter::PartWriter(MimeContext& context, PartInfo info, Encoding encoding)
    : context_(context), info_(info), handle_(context.sink.PartBegin(std::move(info))), decoder_(Decoder::Make(encoding)) {}

PartWriter::~PartWriter() = default;

void PartWriter::ParseMessage(std::uint32_t depth, std::string_view header) {
  nested_ = std::make_unique<Nested>(context_, depth, info_.path, true);
  nested_->parser.Write(AsBytes(header));
}

void PartWriter::ProbeMessage(std::uint32_t depth, std::string path, bool always) {
  probe_ = std::make_unique<Probe>(Probe{depth, std::move(path), always, {}});
}

void PartWriter::FindUuencode() { uu_ = std::make_unique<UuFiles>(context_, info_.path); }

void PartWriter::Data(Bytes decoded) {
  context_.sink.PartData(handle_, decoded);
  if (uu_ != nullptr) uu_->Write(decoded);
  if (probe_ != nullptr) {
    Look(decoded);
  } else if (nested_ != nullptr) {
    ParseNested(decoded);
  }
}

/// Decides by the first octets; what was held goes to the parser with the rest.
void PartWriter::Look(Bytes decoded) {
  const std::size_t room = kMessageHeadMax - probe_->head.size();
  const std::size_t taken = std::min(room, decoded.size());
  probe_->head.append(AsText(decoded.first(taken)));
  const MessageHead head = BeginsMessage(probe_->head);
  if (head == MessageHead::kOpen) return;
  const std::unique_ptr<Probe> probe = std::move(probe_);
  if (head == MessageHead::kOther && !probe->always) return;
  if (probe->depth > context_.limits.depth_max) {
    context_.sink.Limit("depth");
    return;
  }
  nested_ = std::make_unique<Nested>(context_, probe->depth, probe->path, false);
  ParseNested(AsBytes(probe->head).subspan(BeforeMessage(probe->head)));
  ParseNested(decoded.subspan(taken));
}

void PartWriter::ParseNested(Bytes decoded) {
  if (decoded.empty()) return;
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
    info.path = JoinPath(info.path, "uu" + std::to_string(files_));
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
