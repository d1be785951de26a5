#pragma once

#include <memory>
#include <string>

#include "decoder.h"
#include "mime.h"

namespace postern {

/// Decodes one part's octets and hands them to the sink; looks inside where a message or a uuencoded file is.
class PartWriter final : public ByteSink {
 public:
  PartWriter(MimeContext& context, PartInfo info, Encoding encoding);
  ~PartWriter() override;
  /// The decoded octets are a message themselves, or with `header` put before them.
  void ParseMessage(std::uint32_t depth, std::string_view header);
  /// Files uuencoded inside of the text are parts too.
  void FindUuencode();

  void Write(Bytes raw) { decoder_->Write(raw, *this); }
  void Finish();

  void Data(Bytes decoded) override;
  void FileBegin(std::string_view name) override;

 private:
  class UuFiles;
  struct Nested;

  MimeContext& context_;
  PartInfo info_;
  PartSink::Handle handle_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<UuFiles> uu_;
  std::unique_ptr<Nested> nested_;
  std::uint32_t files_ = 0;
};

}  // namespace postern
