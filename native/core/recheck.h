#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "database.h"
#include "mime.h"
#include "report.h"
#include "text_fold.h"

namespace postern {

/// Looks for whole signatures in the stored octets of a message: the raw message and each decoded part, in
/// constant memory. The report of the first pass tells size and type of each part.
class SecondLook : private PartSink {
 public:
  /// Signatures that one message may be suspected of; more is a limit, because each costs a pass.
  static constexpr std::size_t kCandidatesMax = 64;

  SecondLook(const SignatureDatabase& database, MimeLimits limits, ScanReport& report,
             std::vector<std::uint32_t> candidates);
  ~SecondLook() override;

  void Write(Bytes stored);
  void Finish();

 private:
  struct Candidate {
    std::uint32_t id;
    std::shared_ptr<const PatternAutomaton> automaton;
  };
  struct Suspect {
    std::uint32_t id;
    Verifier verifier;
  };
  /// What is looked for in one sequence of octets.
  struct Search {
    std::string path;
    std::vector<Suspect> plain;
    std::vector<Suspect> folded;
    TextFold fold;
  };

  Handle PartBegin(PartInfo info) override;
  void PartData(Handle part, Bytes decoded) override;
  void PartName(Handle, std::string) override {}
  void PartEnd(Handle part) override;
  void HeaderField(std::string_view, std::string_view) override {}
  void HeaderEnd(std::uint64_t) override {}
  void PartHeader(bool, std::string_view) override {}
  void Defect(std::string_view) override {}
  void Limit(std::string_view) override {}

  const PartReport* NextOf(const std::string& path);
  std::unique_ptr<Search> Prepare(std::string path, const PartReport* part, std::uint64_t size) const;
  void Look(Search& search, Bytes block);

  const SignatureDatabase& database_;
  ScanReport& report_;
  std::vector<Candidate> candidates_;
  std::vector<std::unique_ptr<Search>> searches_;            // by handle
  std::unordered_map<std::string, std::size_t> path_seen_;  // how often
  std::unique_ptr<Search> raw_;
  CharsetConverter charsets_;
  MimeContext context_;
  MimeParser parser_;
};

/// Whether a signature for `target` is looked for in this part.
bool TargetFits(Target target, const PartReport& part);

}  // namespace postern
