#include <hs/hs.h>

#include <cstdlib>

#include "engine.h"

namespace postern {

namespace {

struct DatabaseFree {
  void operator()(hs_database_t* database) const { hs_free_database(database); }
};
struct ScratchFree {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
struct StreamClose {
  // Without scratch and handler: what a close would still report is of no interest.
  void operator()(hs_stream_t* stream) const { hs_close_stream(stream, nullptr, nullptr, nullptr); }
};
struct ErrorFree {
  void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};
struct CFree {
  void operator()(void* memory) const { std::free(memory); }
};

using Database = std::unique_ptr<hs_database_t, DatabaseFree>;
using Scratch = std::unique_ptr<hs_scratch_t, ScratchFree>;
using Stream = std::unique_ptr<hs_stream_t, StreamClose>;

struct Seen {
  LiteralSeen call;
  void* context;
};

int OnMatch(unsigned int id, unsigned long long, unsigned long long to, unsigned int, void* raw) {
  const auto* seen = static_cast<const Seen*>(raw);
  seen->call(seen->context, id, to);
  return 0;
}

class HyperscanStreams final : public EngineStreams {
 public:
  HyperscanStreams(std::shared_ptr<const Engine> owner, const hs_database_t* database)
      : owner_(std::move(owner)), database_(database) {
    hs_scratch_t* scratch = nullptr;
    if (hs_alloc_scratch(database_, &scratch) == HS_SUCCESS) scratch_.reset(scratch);
  }

  bool Begin(std::size_t slot) override {
    if (scratch_ == nullptr) return false;
    if (slot >= streams_.size()) streams_.resize(slot + 1);
    if (streams_[slot] != nullptr) {
      return hs_reset_stream(streams_[slot].get(), 0, nullptr, nullptr, nullptr) == HS_SUCCESS;
    }
    hs_stream_t* stream = nullptr;
    if (hs_open_stream(database_, 0, &stream) != HS_SUCCESS) return false;
    streams_[slot].reset(stream);
    return true;
  }

  bool Scan(std::size_t slot, Bytes block, LiteralSeen call, void* context) override {
    if (slot >= streams_.size() || streams_[slot] == nullptr) return false;
    Seen seen{call, context};
    const auto* data = reinterpret_cast<const char*>(block.data());
    const auto length = static_cast<unsigned int>(block.size());
    return hs_scan_stream(streams_[slot].get(), data, length, 0, scratch_.get(), OnMatch, &seen) == HS_SUCCESS;
  }

 private:
  std::shared_ptr<const Engine> owner_;  // the database outlives its streams
  const hs_database_t* database_;
  Scratch scratch_;
  std::vector<Stream> streams_;
};

class HyperscanEngine final : public Engine, public std::enable_shared_from_this<HyperscanEngine> {
 public:
  explicit HyperscanEngine(Database database) : database_(std::move(database)) {}

  std::unique_ptr<EngineStreams> Open() const override {
    return std::make_unique<HyperscanStreams>(shared_from_this(), database_.get());
  }

  std::string Serialize() const override {
    char* bytes = nullptr;
    std::size_t length = 0;
    if (hs_serialize_database(database_.get(), &bytes, &length) != HS_SUCCESS) return {};
    const std::unique_ptr<char, CFree> owned(bytes);
    return {owned.get(), length};
  }

  std::size_t bytes() const override {
    std::size_t size = 0;
    return hs_database_size(database_.get(), &size) == HS_SUCCESS ? size : 0;
  }

 private:
  Database database_;
};

}  // namespace

bool HyperscanUsable() { return hs_valid_platform() == HS_SUCCESS; }

std::string HyperscanPlatform() {
  hs_platform_info_t info{};
  std::string out = hs_version();
  if (hs_populate_platform(&info) == HS_SUCCESS) {
    out += " tune=" + std::to_string(info.tune) + " features=" + std::to_string(info.cpu_features);
  }
  return out;
}

std::shared_ptr<const Engine> CompileHyperscan(const std::vector<Literal>& literals, std::string& problem) {
  std::vector<const char*> texts;
  std::vector<unsigned int> flags;
  std::vector<unsigned int> ids;
  std::vector<std::size_t> lengths;
  for (const Literal& literal : literals) {
    texts.push_back(literal.bytes.data());
    lengths.push_back(literal.bytes.size());
    flags.push_back(literal.caseless ? HS_FLAG_CASELESS : 0);
    ids.push_back(literal.id);
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* raw = nullptr;
  const hs_error_t rc =
      hs_compile_lit_multi(texts.data(), flags.data(), ids.data(), lengths.data(), static_cast<unsigned>(texts.size()),
                           HS_MODE_STREAM, nullptr, &database, &raw);
  const std::unique_ptr<hs_compile_error_t, ErrorFree> error(raw);
  if (rc == HS_SUCCESS) return std::make_shared<HyperscanEngine>(Database(database));
  problem = error == nullptr ? "error " + std::to_string(rc) : error->message;
  return nullptr;
}

std::shared_ptr<const Engine> LoadHyperscan(Bytes serialized) {
  hs_database_t* database = nullptr;
  const auto* data = reinterpret_cast<const char*>(serialized.data());
  if (hs_deserialize_database(data, serialized.size(), &database) != HS_SUCCESS) return nullptr;
  return std::make_shared<HyperscanEngine>(Database(database));
}

}  // namespace postern
