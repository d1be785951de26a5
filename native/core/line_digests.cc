#include "line_digests.h"

#include <cstring>

namespace postern {

bool LineDigests::Begin(const SignatureDatabase& database) {
  used_ = 0;
  size_ = 0;
  held_cr_ = false;
  ended_ = false;
  digests_.resize(3);
  bool good = true;
  if (database.wants_md5()) good = digests_[used_++].Begin(database.md5()) && good;
  if (database.wants_sha1()) good = digests_[used_++].Begin(database.sha1()) && good;
  if (database.wants_sha256()) good = digests_[used_++].Begin(database.sha256()) && good;
  return good;
}

bool LineDigests::Write(Bytes bytes) {
  if (used_ == 0 || bytes.empty()) return true;
  bool good = true;
  if (held_cr_ && bytes.front() != '\n') good = Update(AsBytes("\r"));
  held_cr_ = false;
  const std::uint8_t* from = bytes.data();
  const std::uint8_t* const end = from + bytes.size();
  const std::uint8_t* p = from;
  while (true) {
    const auto* cr = static_cast<const std::uint8_t*>(std::memchr(p, '\r', static_cast<std::size_t>(end - p)));
    if (cr == nullptr) break;
    p = cr + 1;
    if (p == end) held_cr_ = true;
    if (p < end && *p != '\n') continue;
    good = Update({from, cr}) && good;
    from = p;
  }
  return Update({from, end}) && good;
}

bool LineDigests::Update(Bytes bytes) {
  if (bytes.empty()) return true;
  size_ += bytes.size();
  ended_ = bytes.back() == '\n';
  bool good = true;
  for (std::size_t i = 0; i < used_; ++i) good = digests_[i].Update(bytes) && good;
  return good;
}

bool LineDigests::Finish(std::vector<Found>& out) {
  bool good = !held_cr_ || used_ == 0 || Update(AsBytes("\r"));
  for (std::size_t i = 0; i < used_; ++i) {
    Digest copy;
    good = copy.CopyOf(digests_[i]) && good;
    out.push_back({digests_[i].Finish(), size_});
    if (ended_) continue;
    good = copy.Update(AsBytes("\n")) && good;
    out.push_back({copy.Finish(), size_ + 1});
  }
  for (const Found& found : out) good = good && !found.digest.empty();
  return good;
}

}  // namespace postern
