#include <algorithm>
#include <array>

#include "engine.h"

namespace postern {

namespace {

constexpr std::size_t kTails = 65536;

struct Entry {
  std::uint64_t value;
  std::uint64_t mask;
  std::uint32_t literal;
  std::uint32_t length;
};

/// Literals by their last two octets: entries_[begin_[tail] … begin_[tail + 1]).
class TailTable {
 public:
  void Add(const Literal& literal) {
    Entry entry{0, 0, literal.id, static_cast<std::uint32_t>(literal.bytes.size())};
    for (const char c : literal.bytes) {
      entry.value = entry.value << 8 | static_cast<std::uint8_t>(c);
      entry.mask = entry.mask << 8 | 0xff;
    }
    const auto tail = static_cast<std::uint32_t>(entry.value & 0xffff);
    if (literal.bytes.size() >= 2) {
      pending_.emplace_back(tail, entry);
      return;
    }
    for (std::uint32_t before = 0; before < 256; ++before) pending_.emplace_back(before << 8 | tail, entry);
  }

  void Finish() {
    std::stable_sort(pending_.begin(), pending_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    begin_.assign(kTails + 1, 0);
    for (const auto& [tail, entry] : pending_) ++begin_[tail + 1];
    for (std::size_t i = 0; i < kTails; ++i) begin_[i + 1] += begin_[i];
    for (const auto& [tail, entry] : pending_) entries_.push_back(entry);
    pending_.clear();
    pending_.shrink_to_fit();
  }

  bool empty() const { return entries_.empty(); }
  std::size_t bytes() const { return entries_.size() * sizeof(Entry) + begin_.size() * sizeof(std::uint32_t); }

  template <typename Call>
  void Look(std::uint64_t window, std::uint64_t count, Call call) const {
    const std::size_t tail = window & 0xffff;
    for (std::uint32_t i = begin_[tail]; i < begin_[tail + 1]; ++i) {
      const Entry& entry = entries_[i];
      if ((window & entry.mask) == entry.value && count >= entry.length) call(entry.literal);
    }
  }

 private:
  std::vector<std::pair<std::uint32_t, Entry>> pending_;
  std::vector<std::uint32_t> begin_;
  std::vector<Entry> entries_;
};

struct PlainStream {
  std::uint64_t window = 0;
  std::uint64_t folded = 0;
  std::uint64_t count = 0;
};

class PlainEngine final : public Engine, public std::enable_shared_from_this<PlainEngine> {
 public:
  explicit PlainEngine(const std::vector<Literal>& literals) {
    for (const Literal& literal : literals) (literal.caseless ? caseless_ : exact_).Add(literal);
    exact_.Finish();
    caseless_.Finish();
  }

  std::unique_ptr<EngineStreams> Open() const override;
  std::string Serialize() const override { return {}; }
  std::size_t bytes() const override { return exact_.bytes() + caseless_.bytes(); }

  void Scan(PlainStream& stream, Bytes block, LiteralSeen seen, void* context) const {
    for (const std::uint8_t c : block) {
      ++stream.count;
      const auto tell = [&](std::uint32_t literal) { seen(context, literal, stream.count); };
      stream.window = stream.window << 8 | c;
      exact_.Look(stream.window, stream.count, tell);
      if (caseless_.empty()) continue;
      stream.folded = stream.folded << 8 | static_cast<std::uint8_t>(LowerAscii(static_cast<char>(c)));
      caseless_.Look(stream.folded, stream.count, tell);
    }
  }

 private:
  TailTable exact_;
  TailTable caseless_;
};

class PlainStreams final : public EngineStreams {
 public:
  explicit PlainStreams(std::shared_ptr<const PlainEngine> engine) : engine_(std::move(engine)) {}

  bool Begin(std::size_t slot) override {
    if (slot >= streams_.size()) streams_.resize(slot + 1);
    streams_[slot] = PlainStream();
    return true;
  }
  bool Scan(std::size_t slot, Bytes block, LiteralSeen seen, void* context) override {
    if (slot >= streams_.size()) return false;
    engine_->Scan(streams_[slot], block, seen, context);
    return true;
  }

 private:
  std::shared_ptr<const PlainEngine> engine_;
  std::vector<PlainStream> streams_;
};

std::unique_ptr<EngineStreams> PlainEngine::Open() const { return std::make_unique<PlainStreams>(shared_from_this()); }

class CombinedStreams final : public EngineStreams {
 public:
  CombinedStreams(std::unique_ptr<EngineStreams> first, std::unique_ptr<EngineStreams> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  bool Begin(std::size_t slot) override { return first_->Begin(slot) && second_->Begin(slot); }
  bool Scan(std::size_t slot, Bytes block, LiteralSeen seen, void* context) override {
    return first_->Scan(slot, block, seen, context) && second_->Scan(slot, block, seen, context);
  }

 private:
  std::unique_ptr<EngineStreams> first_;
  std::unique_ptr<EngineStreams> second_;
};

class CombinedEngine final : public Engine {
 public:
  CombinedEngine(std::shared_ptr<const Engine> first, std::shared_ptr<const Engine> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  std::unique_ptr<EngineStreams> Open() const override {
    return std::make_unique<CombinedStreams>(first_->Open(), second_->Open());
  }
  std::string Serialize() const override { return {}; }
  std::size_t bytes() const override { return first_->bytes() + second_->bytes(); }

 private:
  std::shared_ptr<const Engine> first_;
  std::shared_ptr<const Engine> second_;
};

}  // namespace

std::shared_ptr<const Engine> CompilePlain(const std::vector<Literal>& literals) {
  return std::make_shared<PlainEngine>(literals);
}

std::shared_ptr<const Engine> CombineEngines(std::shared_ptr<const Engine> first, std::shared_ptr<const Engine> second) {
  return std::make_shared<CombinedEngine>(std::move(first), std::move(second));
}

}  // namespace postern
