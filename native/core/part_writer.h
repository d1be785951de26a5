#pragma once

#include <memory>
#include <string>

#include "decoder.h"
#include "mime.h"
#include "uu_files.h"

namespace postern {

/// Decodes one part's octets and hands them to the sink; looks inside where a message or a uuencoded file is.
class PartWriter final : public ByteSink {
 public:
  PartWriter(MimeContext& context, PartInfo info, Encoding encoding);
  ~PartWriter() override;
  /// The decoded octets are a message themselves, or with `header` put before them.
  void ParseMessage(std::uint32_t depth, std::string_view header);
  /// The decoded octets are looked into as a message too if they begin like one, whatever the part says that they
  /// are: a saved mail is attached under many types. `always`: however they begin. `path` is that message's.
  void ProbeMessage(std::uint32_t depth, std::string path, bool always);
  /// Files uuencoded inside of the text are parts too.
  void FindUuencode();

  void Write(Bytes raw) { decoder_->Write(raw, *this); }
  void Finish();

  void Data(Bytes decoded) override;
  void FileBegin(std::string_view name) override;

 private:
  struct Nested;
  struct Probe;

  void Look(Bytes decoded);
  void ParseNested(Bytes decoded);

  MimeContext& context_;
  PartInfo info_;
  PartSink::Handle handle_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<UuFiles> uu_;
  std::unique_ptr<Nested> nested_;
  std::unique_ptr<Probe> probe_;
  std::uint32_t files_ = 0;
};

}  // namespace postern
