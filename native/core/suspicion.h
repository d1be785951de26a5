#pragma once

#include <array>
#include <vector>

#include "database.h"
#include "engine.h"

namespace postern {

/// The signatures that one message is suspected of: those whose literal was seen with the fixed octets around it
/// as they must be. A literal of eight octets alone is seen in clean mail now and then; with its neighbours it is
/// not, and a second look is spared.
class Suspicion {
 public:
  void Begin(const SignatureDatabase& database);
  const std::vector<std::uint32_t>& suspects() const { return suspects_; }

 private:
  friend class WatchedStream;
  void Add(std::uint32_t signature);
  bool Has(std::uint32_t signature) const { return seen_[signature] == message_; }

  const SignatureDatabase* database_ = nullptr;
  std::vector<std::uint32_t> seen_;  // by signature: the number of the message that it was suspected in
  std::uint32_t message_ = 0;
  std::vector<std::uint32_t> suspects_;
};

/// One sequence of octets on its way through the engine. Remembers its last octets, so that what is around a
/// literal can be compared however the sequence is cut.
class WatchedStream {
 public:
  bool Begin(EngineStreams& streams, std::size_t slot, Suspicion& suspicion);
  bool Write(Bytes block);
  /// The sequence is over: what would need more octets is no match.
  void Finish();

 private:
  /// Neighbours on either side, the longest literal, and as much again that may come behind it.
  static constexpr std::size_t kTail = 4 * kNeighboursMax + kAnchorMax;

  struct Hit {
    std::uint32_t literal;
    std::uint64_t end;
  };

  static void OnLiteral(void* self, std::uint32_t literal, std::uint64_t end);
  void Judge(const Hit& hit);
  bool Fits(const LiteralOwner& owner, std::uint64_t from) const;
  void Remember();

  EngineStreams* streams_ = nullptr;
  std::size_t slot_ = 0;
  Suspicion* suspicion_ = nullptr;
  std::array<std::uint8_t, kTail> tail_;  // the octets before begin_, the last one last
  std::uint64_t begin_ = 0;               // where block_ stands in the sequence
  Bytes block_;
  std::vector<Hit> waiting_;  // for the octets behind them
};

}  // namespace postern
