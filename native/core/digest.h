#pragma once

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "bytes.h"

namespace postern {

struct EvpContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct EvpDigestFree {
  void operator()(EVP_MD* digest) const { EVP_MD_free(digest); }
};

/// A digest algorithm, looked up once: the look-up costs more than hashing a small part.
class DigestKind {
 public:
  explicit DigestKind(const char* name) : digest_(EVP_MD_fetch(nullptr, name, nullptr)) {}
  const EVP_MD* get() const { return digest_.get(); }
  /// False where the library does not offer it (MD5 under FIPS).
  bool usable() const { return digest_ != nullptr; }

 private:
  std::unique_ptr<EVP_MD, EvpDigestFree> digest_;
};

/// One running digest, used again for the next part.
class Digest {
 public:
  bool Begin(const DigestKind& kind);
  bool Update(Bytes bytes) { return EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1; }
  /// Goes on from where `other` is.
  bool CopyOf(const Digest& other);
  /// The raw digest; empty if the library failed.
  std::string Finish();

 private:
  std::unique_ptr<EVP_MD_CTX, EvpContextFree> context_;
};

std::string HexOf(std::string_view raw);

}  // namespace postern
