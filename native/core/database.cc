#include "database.h"

#include <algorithm>
#include <iterator>

namespace postern {

namespace {

/// The test string of eicar.org, in hexadecimal so that virus scanners leave this file alone.
constexpr std::string_view kEicarName = "Eicar-Test-Signature";
constexpr std::string_view kEicarHex =
    "58354f2150254041505b345c505a58353428505e2937434329377d2445494341"
    "522d5354414e444152442d414e544956495255532d544553542d46494c452124482b482a";

void FoldCase(ByteMask& byte) {
  if (byte.mask == 0xff) byte.value = static_cast<std::uint8_t>(LowerAscii(static_cast<char>(byte.value)));
}

/// The text that it is looked for in has no capital letters.
void FoldCase(PatternItem& item) {
  if (auto* byte = std::get_if<ByteMask>(&item)) FoldCase(*byte);
  if (auto* choice = std::get_if<Choice>(&item)) {
    for (auto& option : choice->options) {
      for (ByteMask& byte : option) FoldCase(byte);
    }
  }
}

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
    if (std::holds_alternative<OtherLevel>(parsed)) return {};
    return AddWithCrLf(std::move(std::get<Signature>(parsed)));
  }
  auto parsed = ParseHashLine(line);
  if (auto* problem = std::get_if<std::string>(&parsed)) return std::move(*problem);
  if (std::holds_alternative<OtherLevel>(parsed)) return {};
  AddHash(std::move(std::get<HashSignature>(parsed)));
  return {};
}

/// A signature of mail or of anything that has lines is looked for with both of their ends.
std::string SignatureDatabase::AddWithCrLf(Signature signature) {
  Signature other = signature;
  const bool lines = signature.target == Target::kAny || signature.target == Target::kMail;
  other.hex = lines ? WithCrLf(signature.hex) : std::string();
  std::string problem = AddSignature(std::move(signature));
  if (!problem.empty() || other.hex.empty()) return problem;
  // What cannot be written so (alternatives of one length that would have two) is looked for as it is.
  const bool good = std::holds_alternative<std::vector<PatternItem>>(ParsePattern(other.hex));
  if (good && AddSignature(std::move(other)).empty()) ++twins_;
  return {};
}

std::string SignatureDatabase::AddSignature(Signature signature) {
  auto pattern = ParsePattern(signature.hex);
  Anchor anchor = ChooseAnchor(std::get<std::vector<PatternItem>>(pattern), signature.target);
  if (anchor.bytes.empty()) return "pattern without a fixed octet that is not white space";
  const auto id = static_cast<std::uint32_t>(signatures_.size());
  const std::string key = (anchor.caseless ? "i" : "s") + anchor.bytes;
  const auto [it, fresh] = literal_ids_.try_emplace(key, static_cast<std::uint32_t>(literals_.size()));
  if (fresh) {
    literals_.push_back({std::move(anchor.bytes), anchor.caseless, it->second});
    owners_.emplace_back();
  }
  owners_[it->second].push_back(
      {id, static_cast<std::uint8_t>(anchor.before), anchor.caseless, std::move(anchor.around)});
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
  for (const Literal& literal : literals_) good = good && add(literal.caseless ? "i" : "s") && add(literal.bytes);
  return good ? digest.Finish() : std::string();
}

bool SignatureDatabase::Load(Bytes serialized) {
  if (!HyperscanUsable()) return false;
  auto engine = LoadHyperscan(serialized);
  if (engine == nullptr) return false;
  UseHyperscan(std::move(engine));
  return true;
}

void SignatureDatabase::Compile(bool plain) {
  if (!plain && HyperscanUsable()) {
    std::string problem;
    std::vector<Literal> usable;
    std::copy_if(literals_.begin(), literals_.end(), std::back_inserter(usable), HyperscanTakes);
    auto engine = CompileHyperscan(usable, problem);
    if (engine != nullptr) {
      UseHyperscan(std::move(engine));
      return;
    }
    problems_.push_back({"libhs", 0, std::move(problem)});
  }
  hyperscan_ = nullptr;
  engine_ = CompilePlain(literals_);
}

/// Literals that libhs does not take go to the plain engine beside it.
void SignatureDatabase::UseHyperscan(std::shared_ptr<const Engine> engine) {
  std::vector<Literal> odd;
  std::copy_if(literals_.begin(), literals_.end(), std::back_inserter(odd),
               [](const Literal& literal) { return !HyperscanTakes(literal); });
  hyperscan_ = engine;
  engine_ = odd.empty() ? std::move(engine) : CombineEngines(std::move(engine), CompilePlain(odd));
}

std::shared_ptr<const PatternAutomaton> SignatureDatabase::AutomatonOf(std::uint32_t id) const {
  auto pattern = ParsePattern(signatures_[id].hex);
  auto* items = std::get_if<std::vector<PatternItem>>(&pattern);
  if (items == nullptr) return nullptr;
  if (IsTextTarget(signatures_[id].target)) {
    for (PatternItem& item : *items) FoldCase(item);
  }
  return PatternAutomaton::Build(*items);
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
