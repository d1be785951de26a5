#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "signature.h"

namespace postern {

/// The pattern of one signature as a bit-parallel automaton: a bit per place, one step per octet.
///
/// The pieces between gaps are automata of their own side by side in the same bits. A piece may begin where the
/// piece before it ended, plus its gap; those places are kept as intervals, so that memory does not grow with
/// the stream and a match is found across any cut.
class PatternAutomaton {
 public:
  /// nullptr where the pattern has too many places.
  static std::shared_ptr<const PatternAutomaton> Build(const std::vector<PatternItem>& items);

 private:
  friend class Verifier;
  friend class AutomatonBuilder;
  using Word = std::uint64_t;

  struct Piece {
    std::vector<std::uint32_t> first;
    Gap gap;  // before this piece
  };
  struct Jump {
    std::uint32_t from;
    std::uint32_t to;
  };

  std::size_t places_ = 0;
  std::size_t words_ = 0;
  std::vector<Word> steps_;        // [octet * words_ + word]: the places that take this octet
  std::vector<Word> chain_;        // places that follow the place before them
  std::vector<Jump> jumps_;        // all other ways from place to place
  std::vector<Word> jump_from_;
  std::vector<Word> last_;         // places that end their piece
  std::vector<std::uint32_t> piece_of_;
  std::vector<Piece> pieces_;
  std::array<bool, 256> starts_{};  // octets that can begin the first piece
  int only_start_ = -1;             // the octet if it is one alone
};

/// Looks for one pattern in one stream.
class Verifier {
 public:
  /// `size` is that of the whole stream, for offsets from its end.
  Verifier(std::shared_ptr<const PatternAutomaton> pattern, const Offset& offset, std::uint64_t size);

  /// True once the pattern was found; nothing is looked at after that.
  bool Write(Bytes block);
  bool found() const { return found_; }

 private:
  struct Interval {
    std::uint64_t from;
    std::uint64_t to;
  };

  void Step(std::uint8_t c);
  void Inject(std::size_t piece);
  void Ended(std::uint32_t place);
  bool Idle() const;
  std::size_t NextStart(Bytes block, std::size_t from) const;

  std::shared_ptr<const PatternAutomaton> pattern_;
  std::vector<std::uint64_t> state_;
  std::vector<std::uint64_t> next_;
  std::vector<std::deque<Interval>> begins_;
  std::uint64_t at_ = 0;
  bool found_ = false;
  bool live_ = false;
};

}  // namespace postern
