#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "database.h"
#include "framer.h"
#include "line_digests.h"
#include "magic.h"
#include "mime.h"
#include "recheck.h"
#include "report.h"
#include "suspicion.h"

namespace postern {

/// Scans one message after the other, each in one pass over its wire octets, in constant memory. Used by one
/// thread at a time.
class Scanner : private PartSink {
 public:
  Scanner(std::shared_ptr<const SignatureDatabase> database, MimeLimits limits);
  ~Scanner() override;

  void Begin(Framer::Mode mode);
  /// `out` has room for Framer::OutputMax(in.size()) octets.
  Framer::Step Write(Bytes in, std::uint8_t* out);
  bool ended() const { return framer_.ended(); }
  const Framer& framer() const { return framer_; }
  const ScanReport& Finish();

  /// The second look: the stored octets once more, from the first to the last.
  void BeginRecheck();
  void Recheck(Bytes stored);
  const ScanReport& FinishRecheck();

 private:
  /// A part that is open.
  struct Open {
    std::size_t report = 0;
    bool encoded = false;
    bool lines = false;
    std::string head;
    Digest sha256;
    Digest sha1;
    Digest md5;
    LineDigests line_digests;
    WatchedStream watched;
  };

  Handle PartBegin(PartInfo info) override;
  void PartData(Handle part, Bytes decoded) override;
  void PartName(Handle part, std::string name) override;
  void PartEnd(Handle part) override;
  void HeaderField(std::string_view name, std::string_view value) override;
  void HeaderEnd(std::uint64_t bytes) override;
  void PartHeader(bool message, std::string_view text) override;
  void Defect(std::string_view what) override { report_.defects.emplace(what); }
  void Limit(std::string_view what) override { report_.limits.emplace(what); }

  std::vector<std::uint32_t> Candidates() const;
  void Failed() { report_.limits.emplace("error"); }
  void AddNames(PartReport& part, std::vector<std::string> names);
  void LookUpDigests(Open& part, const PartReport& report);
  void LookUp(const std::string& digest, std::uint64_t size, const PartReport& part);

  const std::shared_ptr<const SignatureDatabase> database_;
  const MimeLimits limits_;
  const std::unique_ptr<EngineStreams> streams_;
  Framer framer_;
  std::optional<CharsetConverter> charsets_;
  std::optional<MimeContext> context_;
  std::optional<MimeParser> parser_;
  ScanReport report_;
  std::size_t names_bytes_ = 0;
  std::size_t headers_bytes_ = 0;
  std::vector<std::unique_ptr<Open>> open_;
  std::vector<Handle> free_;
  Suspicion suspicion_;
  WatchedStream raw_;
  std::optional<SecondLook> second_;
};

}  // namespace postern
