#include "part_writer.h"

namespace postern {

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
    PartInfo info{JoinPath(path_, "uu" + std::to_string(files_)), "application/octet-stream", {}, true};
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
