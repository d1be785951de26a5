#include "database.h"

namespace postern {

namespace {

/// The test string of eicar.org, in hexadecimal so that virus scanners leave this file alone.
constexpr std::string_view kEicarName = "Eicar-Test-Signature";
constexpr std::string_view kEicarHex =
    "58354f2150254041505b345c505a58353428505e2937434329377d2445494341"
    "522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a";

/// Part of every cache key: another way to choose or number literals is another number.
constexpr std::string_view kLayout = "postern literals 1";

}  // namespace

SignatureDatabase::SignatureDatabase(const std::vector<SignatureFile>& files) {
  Signature eicar;
  eicar.name = kEicarName;
  eicar.hex = kEicarHex;
  AddSignature(std::move(eicar));
  for (const SignatureFile& file : files) ReadFile(file);
  literal_ids_.clear();
}

void SignatureDatabase::ReadFile(const SignatureFile& file) {
  std::string_view rest = file.text;
  for (std::uint32_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = Trim(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.empty() || line.front() == '#') continue;
    std::string problem = ReadLine(file.kind, line);
    if (!problem.empty()) problems_.push_back({file.name, number, std::move(problem)});
  }
}

std::string SignatureDatabase::ReadLine(SignatureFile::Kind kind, std::string_view line) {
  if (kind == SignatureFile::Kind::kNdb) {
    auto parsed = ParseNdbLine(line);
    if (auto* problem = std::get_if<std::string>(&parsed)) return std::move(*problem);
    return AddSignature(std::move(std::get<Signature>(parsed)));
  }
  auto parsed = ParseHashLine(line);
  if (auto* problem = std::get_if<std::string>(&parsed)) return std::move(*problem);
  AddHash(std::move(std::get<HashSignature>(parsed)));
  return {};
}

std::string SignatureDatabase::AddSignature(Signature signature) {
  auto pattern = ParsePattern(signature.hex);
  const Anchor anchor = ChooseAnchor(std::get<std::vector<PatternItem>>(pattern), signature.target);
  if (anchor.bytes.empty()) return "pattern without a fixed octet that is not white space";
  const auto id = static_cast<std::uint32_t>(signatures_.size());
  const std::string key = (anchor.caseless ? "i" : "s") + anchor.bytes;
  const auto [it, fresh] = literal_ids_.try_emplace(key, static_cast<std::uint32_t>(literals_.size()));
  if (fresh) {
    literals_.push_back(anchor);
    owners_.emplace_back();
  }
  owners_[it->second].push_back(id);
  signatures_.push_back(std::move(signature));
  return {};
}

void SignatureDatabase::AddHash(HashSignature hash) {
  if (hash.digest.size() == 16) wants_md5_ = true;
  if (hash.digest.size() == 20) wants_sha1_ = true;
  if (hash.digest.size() == 32) wants_sha256_ = true;
  hashes_.emplace(std::move(hash.digest), std::pair{hash.size, std::move(hash.name)});
  ++hash_count_;
}

std::string SignatureDatabase::CacheKey() const {
  Digest digest;
  if (!digest.Begin(sha256_)) return {};
  const auto add = [&](std::string_view text) {
    const std::string length = std::to_string(text.size()) + ':';
    return digest.Update(AsBytes(length)) && digest.Update(AsBytes(text));
  };
  bool good = add(kLayout) && add(HyperscanPlatform());
  for (const Anchor& literal : literals_) good = good && add(literal.caseless ? "i" : "s") && add(literal.bytes);
  return good ? digest.Finish() : std::string();
}

bool SignatureDatabase::Load(Bytes serialized) {
  if (!HyperscanUsable()) return false;
  engine_ = LoadHyperscan(serialized);
  hyperscan_ = engine_ != nullptr;
  return hyperscan_;
}

void SignatureDatabase::Compile(bool plain) {
  hyperscan_ = false;
  if (!plain && HyperscanUsable()) {
    std::string problem;
    engine_ = CompileHyperscan(literals_, problem);
    hyperscan_ = engine_ != nullptr;
    if (hyperscan_) return;
    problems_.push_back({"libhs", 0, std::move(problem)});
  }
  engine_ = CompilePlain(literals_);
}

std::shared_ptr<const PatternAutomaton> SignatureDatabase::AutomatonOf(std::uint32_t id) const {
  auto pattern = ParsePattern(signatures_[id].hex);
  const auto* items = std::get_if<std::vector<PatternItem>>(&pattern);
  return items == nullptr ? nullptr : PatternAutomaton::Build(*items);
}

std::string_view SignatureDatabase::FindHash(std::string_view digest, std::uint64_t size) const {
  const auto [begin, end] = hashes_.equal_range(std::string(digest));
  for (auto it = begin; it != end; ++it) {
    const auto& [wanted, name] = it->second;
    if (wanted == HashSignature::kAnySize || wanted == size) return name;
  }
  return {};
}

}  // namespace postern
