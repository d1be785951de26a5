#include "suspicion.h"

#include <algorithm>
#include <cstring>

namespace postern {

void Suspicion::Begin(const SignatureDatabase& database) {
  database_ = &database;
  suspects_.clear();
  seen_.resize(database.body_count());
  if (++message_ == 0) {  // once in four thousand million messages the numbers begin anew
    std::fill(seen_.begin(), seen_.end(), 0);
    message_ = 1;
  }
}

void Suspicion::Add(std::uint32_t signature) {
  seen_[signature] = message_;
  suspects_.push_back(signature);
}

bool WatchedStream::Begin(EngineStreams& streams, std::size_t slot, Suspicion& suspicion) {
  streams_ = &streams;
  slot_ = slot;
  suspicion_ = &suspicion;
  begin_ = 0;
  block_ = {};
  waiting_.clear();
  return streams.Begin(slot);
}

bool WatchedStream::Write(Bytes block) {
  block_ = block;
  const std::uint64_t end = begin_ + block.size();
  std::size_t kept = 0;
  for (const Hit& hit : waiting_) {
    if (hit.end + kNeighboursMax <= end) {
      Judge(hit);
    } else {
      waiting_[kept++] = hit;
    }
  }
  waiting_.resize(kept);
  const bool good = streams_->Scan(slot_, block, OnLiteral, this);
  Remember();
  return good;
}

void WatchedStream::Finish() {
  for (const Hit& hit : waiting_) Judge(hit);
  waiting_.clear();
}

void WatchedStream::OnLiteral(void* self, std::uint32_t literal, std::uint64_t end) {
  auto* stream = static_cast<WatchedStream*>(self);
  const Hit hit{literal, end};
  if (end + kNeighboursMax <= stream->begin_ + stream->block_.size()) {
    stream->Judge(hit);
  } else {
    stream->waiting_.push_back(hit);
  }
}

void WatchedStream::Judge(const Hit& hit) {
  for (const LiteralOwner& owner : suspicion_->database_->OwnersOf(hit.literal)) {
    if (suspicion_->Has(owner.signature)) continue;
    const std::uint64_t before = owner.before;
    if (before > hit.end) continue;
    if (Fits(owner, hit.end - before)) suspicion_->Add(owner.signature);
  }
}

bool WatchedStream::Fits(const LiteralOwner& owner, std::uint64_t from) const {
  if (from + owner.bytes.size() > begin_ + block_.size()) return false;
  for (std::size_t i = 0; i < owner.bytes.size(); ++i) {
    const std::uint64_t at = from + i;
    std::uint8_t c = at >= begin_ ? block_[at - begin_] : tail_[kTail - (begin_ - at)];
    if (owner.folded) c = static_cast<std::uint8_t>(LowerAscii(static_cast<char>(c)));
    if ((c & owner.bytes[i].mask) != owner.bytes[i].value) return false;
  }
  return true;
}

void WatchedStream::Remember() {
  const std::size_t fresh = std::min(block_.size(), kTail);
  std::memmove(tail_.data(), tail_.data() + fresh, kTail - fresh);
  if (fresh > 0) std::memcpy(tail_.data() + kTail - fresh, block_.data() + block_.size() - fresh, fresh);
  begin_ += block_.size();
  block_ = {};
}

}  // namespace postern
