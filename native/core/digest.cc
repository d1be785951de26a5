#include "digest.h"

namespace postern {

bool Digest::Begin(const DigestKind& kind) {
  if (context_ == nullptr) context_.reset(EVP_MD_CTX_new());
  return context_ != nullptr && kind.usable() && EVP_DigestInit_ex2(context_.get(), kind.get(), nullptr) == 1;
}

bool Digest::CopyOf(const Digest& other) {
  if (context_ == nullptr) context_.reset(EVP_MD_CTX_new());
  return context_ != nullptr && other.context_ != nullptr && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1;
}

std::string Digest::Finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw;
  unsigned int length = 0;
  if (context_ == nullptr || EVP_DigestFinal_ex(context_.get(), raw.data(), &length) != 1) return {};
  return {reinterpret_cast<const char*>(raw.data()), length};
}

std::string HexOf(std::string_view raw) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(raw.size() * 2);
  for (const char c : raw) {
    out.push_back(kDigits[(static_cast<unsigned char>(c)) >> 4]);
    out.push_back(kDigits[(static_cast<unsigned char>(c)) & 15]);
  }
  return out;
}

}  // namespace postern
