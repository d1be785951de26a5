#include "recheck.h"

#include <algorithm>

namespace postern {

namespace {

bool OneOf(std::string_view magic, std::initializer_list<std::string_view> types) {
  return std::find(types.begin(), types.end(), magic) != types.end();
}

}  // namespace

bool TargetFits(Target target, const PartReport& part) {
  switch (target) {
    case Target::kAny:
      return true;
    case Target::kPe:
      return part.magic == "exe";
    case Target::kOle2:
      return part.magic == "ole2";
    case Target::kHtml:
      return part.magic == "html" || part.type == "text/html" || part.type == "application/xhtml+xml";
    case Target::kMail:
      return part.type.starts_with("message/");
    case Target::kGraphics:
      return OneOf(part.magic, {"png", "jpeg", "gif", "bmp", "tiff", "webp"});
    case Target::kElf:
      return part.magic == "elf";
    case Target::kText:
      return OneOf(part.magic, {"text", "html", "xml", "script"}) || part.type.starts_with("text/");
    case Target::kMachO:
      return part.magic == "macho";
    case Target::kPdf:
      return part.magic == "pdf";
    case Target::kFlash:
      return part.magic == "swf";
    case Target::kJava:
      return part.magic == "java";
  }
  return false;
}

SecondLook::SecondLook(const SignatureDatabase& database, MimeLimits limits, ScanReport& report,
                       std::vector<std::uint32_t> candidates)
    : database_(database), report_(report), context_{*this, charsets_, limits}, parser_(context_, 0, "") {
  std::sort(candidates.begin(), candidates.end());
  if (candidates.size() > kCandidatesMax) {
    report_.limits.emplace("candidates");
    candidates.resize(kCandidatesMax);
  }
  for (const std::uint32_t id : candidates) {
    auto automaton = database_.AutomatonOf(id);
    if (automaton != nullptr) candidates_.push_back({id, std::move(automaton)});
  }
  raw_ = Prepare("", nullptr, report_.bytes);
}

SecondLook::~SecondLook() = default;

std::unique_ptr<SecondLook::Search> SecondLook::Prepare(std::string path, const PartReport* part,
                                                        std::uint64_t size) const {
  auto search = std::make_unique<Search>();
  search->path = std::move(path);
  for (const Candidate& candidate : candidates_) {
    const Signature& signature = database_.signature(candidate.id);
    const bool fits = part != nullptr ? TargetFits(signature.target, *part)
                                      : signature.target == Target::kAny || signature.target == Target::kMail;
    if (!fits) continue;
    auto& list = IsTextTarget(signature.target) ? search->folded : search->plain;
    list.push_back({candidate.id, Verifier(candidate.automaton, signature.offset, size)});
  }
  return search;
}

void SecondLook::Write(Bytes stored) {
  Look(*raw_, stored);
  parser_.Write(stored);
}

void SecondLook::Finish() { parser_.Finish(); }

void SecondLook::Look(Search& search, Bytes block) {
  const auto tell = [&](std::vector<Suspect>& suspects, Bytes bytes) {
    for (Suspect& suspect : suspects) {
      if (suspect.verifier.found() || !suspect.verifier.Write(bytes)) continue;
      report_.hits.insert({database_.signature(suspect.id).name, search.path});
    }
  };
  tell(search.plain, block);
  if (!search.folded.empty()) {
    search.fold.Write(block, [&](Bytes folded) { tell(search.folded, folded); });
  }
}

/// The report of the next part with this path: readings of one part that differ in their encoding share it.
const PartReport* SecondLook::NextOf(const std::string& path) {
  std::size_t skip = path_seen_[path]++;
  for (const PartReport& part : report_.parts) {
    if (part.path == path && skip-- == 0) return &part;
  }
  return nullptr;
}

PartSink::Handle SecondLook::PartBegin(PartInfo info) {
  const PartReport* part = NextOf(info.path);
  if (part != nullptr) {
    searches_.push_back(Prepare(info.path, part, part->size));
  } else {
    // A part that the first pass did not have: the stored octets are not those that were scanned.
    report_.limits.emplace("error");
    searches_.push_back(nullptr);
  }
  return searches_.size() - 1;
}

void SecondLook::PartData(Handle part, Bytes decoded) {
  if (searches_[part] != nullptr) Look(*searches_[part], decoded);
}

void SecondLook::PartEnd(Handle part) { searches_[part].reset(); }

}  // namespace postern
