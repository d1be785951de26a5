#pragma once

#include <string>
#include <utility>

#include "decoder.h"
#include "mime.h"

namespace postern {

/// Parts for the files that a text has inside of it.
class UuFiles final : public ByteSink {
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

}  // namespace postern
