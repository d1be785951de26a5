#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bytes.h"

namespace postern {

/// A literal and the number by which it is told.
struct Literal {
  std::string bytes;  // lower case where `caseless`
  bool caseless;
  std::uint32_t id;
};

/// Called for each literal seen; `end` is the offset in its stream behind the literal's last octet.
using LiteralSeen = void (*)(void* context, std::uint32_t literal, std::uint64_t end);

/// Streams of one scanner over one engine. Used by one thread at a time. False means that the library failed:
/// what was to be scanned must not be called clean.
class EngineStreams {
 public:
  virtual ~EngineStreams() = default;
  /// Makes stream `slot` ready for a new sequence of octets.
  virtual bool Begin(std::size_t slot) = 0;
  virtual bool Scan(std::size_t slot, Bytes block, LiteralSeen seen, void* context) = 0;
};

/// A set of literals made ready for scanning. Immutable; shared by scanners.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<EngineStreams> Open() const = 0;
  /// What can be kept in a file; empty where there is nothing to keep.
  virtual std::string Serialize() const = 0;
  virtual std::size_t bytes() const = 0;
};

/// Whether libhs can run on this machine.
bool HyperscanUsable();
/// What a compiled database depends on besides its literals: the library's version and the machine's features.
std::string HyperscanPlatform();
/// libvectorscan 5.4.9 takes a literal that begins with NUL for an empty one and refuses the whole set.
inline bool HyperscanTakes(const Literal& literal) { return literal.bytes.front() != 0; }
/// nullptr and `problem` set if libhs refuses.
std::shared_ptr<const Engine> CompileHyperscan(const std::vector<Literal>& literals, std::string& problem);
/// nullptr if the octets are no database for this library and machine.
std::shared_ptr<const Engine> LoadHyperscan(Bytes serialized);

/// The stand-in: the last eight octets as one number, looked up by its last two.
std::shared_ptr<const Engine> CompilePlain(const std::vector<Literal>& literals);

/// Both, one after the other.
std::shared_ptr<const Engine> CombineEngines(std::shared_ptr<const Engine> first, std::shared_ptr<const Engine> second);

}  // namespace postern
