#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "digest.h"
#include "anchor.h"
#include "engine.h"
#include "signature.h"
#include "verifier.h"

namespace postern {

struct SignatureFile {
  enum class Kind { kNdb, kHash };
  std::string name;
  Kind kind = Kind::kNdb;
  std::string_view text;
};

struct SignatureProblem {
  std::string source;
  std::uint32_t line;
  std::string reason;
};

/// A signature that a literal belongs to, with the octets that must stand around the literal.
struct LiteralOwner {
  std::uint32_t signature;
  std::uint8_t before;  // octets of `bytes` up to the literal's end
  bool folded;
  std::vector<ByteMask> bytes;
};

/// All signatures, parsed and with one literal of each in an engine. Immutable once it is ready; shared.
class SignatureDatabase {
 public:
  /// Reads the files; EICAR's test signature is always there.
  explicit SignatureDatabase(const std::vector<SignatureFile>& files);

  /// Names the compiled form: same key, same octets. Raw SHA-256.
  std::string CacheKey() const;
  /// Makes it ready with a stored engine; false if it is not of this machine.
  bool Load(Bytes serialized);
  /// Makes it ready. `plain` asks for the stand-in, which also steps in where libhs cannot run or refuses.
  void Compile(bool plain);
  std::string Serialize() const { return hyperscan_ == nullptr ? std::string() : hyperscan_->Serialize(); }

  bool hyperscan() const { return hyperscan_ != nullptr; }
  const Engine* engine() const { return engine_.get(); }
  std::size_t count() const { return signatures_.size() - twins_ + hash_count_; }
  const std::vector<SignatureProblem>& problems() const { return problems_; }
  const Signature& signature(std::uint32_t id) const { return signatures_[id]; }
  std::size_t body_count() const { return signatures_.size(); }
  const std::vector<LiteralOwner>& OwnersOf(std::uint32_t literal) const { return owners_[literal]; }
  std::shared_ptr<const PatternAutomaton> AutomatonOf(std::uint32_t id) const;

  bool wants_md5() const { return wants_md5_; }
  bool wants_sha1() const { return wants_sha1_; }
  bool wants_sha256() const { return wants_sha256_; }
  /// Name of the signature that is this digest of so many octets, or empty.
  std::string_view FindHash(std::string_view digest, std::uint64_t size) const;

  const DigestKind& sha256() const { return sha256_; }
  const DigestKind& sha1() const { return sha1_; }
  const DigestKind& md5() const { return md5_; }

 private:
  void ReadFile(const SignatureFile& file);
  std::string ReadLine(SignatureFile::Kind kind, std::string_view line);
  std::string AddWithCrLf(Signature signature);
  std::string AddSignature(Signature signature);
  void AddHash(HashSignature hash);
  void UseHyperscan(std::shared_ptr<const Engine> engine);

  std::vector<Signature> signatures_;
  std::vector<Literal> literals_;
  std::vector<std::vector<LiteralOwner>> owners_;
  std::unordered_map<std::string, std::uint32_t> literal_ids_;
  std::unordered_multimap<std::string, std::pair<std::uint64_t, std::string>> hashes_;
  std::size_t hash_count_ = 0;
  std::size_t twins_ = 0;  // of signatures_: what is another's with CRLF for LF
  bool wants_md5_ = false;
  bool wants_sha1_ = false;
  bool wants_sha256_ = false;
  std::vector<SignatureProblem> problems_;
  std::shared_ptr<const Engine> engine_;
  std::shared_ptr<const Engine> hyperscan_;  // engine_ or a part of it; nullptr under the stand-in
  DigestKind sha256_{"SHA256"};
  DigestKind sha1_{"SHA1"};
  DigestKind md5_{"MD5"};
};

}  // namespace postern
