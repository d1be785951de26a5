#include "verifier.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace postern {

namespace {
constexpr std::uint64_t kForever = ~std::uint64_t{0};
using ByteSet = std::array<bool, 256>;

ByteSet SetOf(ByteMask byte) {
  ByteSet set{};
  for (std::size_t c = 0; c < 256; ++c) set[c] = (c & byte.mask) == (byte.value & byte.mask);
  return set;
}
}  // namespace

/// Lays out the places of a pattern (Glushkov's construction: a place stands for "this octet was just taken").
class AutomatonBuilder {
 public:
  explicit AutomatonBuilder(PatternAutomaton& out) : out_(out) {}

  bool Build(const std::vector<PatternItem>& items) {
    BeginPiece(Gap{});
    for (const PatternItem& item : items) {
      if (const auto* byte = std::get_if<ByteMask>(&item)) AddByte(*byte);
      if (const auto* choice = std::get_if<Choice>(&item)) choice->negated ? AddNegated(*choice) : AddChoice(*choice);
      if (const auto* gap = std::get_if<Gap>(&item)) AddGap(*gap);
      if (sets_.size() > kPatternPlacesMax) return false;
    }
    EndPiece();
    Finish();
    return true;
  }

 private:
  using Places = std::vector<std::uint32_t>;

  std::uint32_t Place(const ByteSet& set, const Places& after, bool begins) {
    const auto place = static_cast<std::uint32_t>(sets_.size());
    sets_.push_back(set);
    out_.piece_of_.push_back(static_cast<std::uint32_t>(out_.pieces_.size() - 1));
    chained_.push_back(false);
    for (const std::uint32_t from : after) {
      if (from + 1 == place) {
        chained_[place] = true;
      } else {
        out_.jumps_.push_back({from, place});
      }
    }
    if (begins) out_.pieces_.back().first.push_back(place);
    return place;
  }

  void AddByte(ByteMask byte) {
    open_ = {Place(SetOf(byte), open_, empty_)};
    empty_ = false;
  }

  void AddChoice(const Choice& choice) {
    Places ends;
    for (const auto& option : choice.options) {
      Places before = open_;
      bool begins = empty_;
      for (const ByteMask byte : option) {
        before = {Place(SetOf(byte), before, begins)};
        begins = false;
      }
      ends.push_back(before.front());
    }
    open_ = std::move(ends);
    empty_ = false;
  }

  /// Any string of the length but the options: while an option still fits, a place for each prefix; once none
  /// fits, a chain of anything.
  void AddNegated(const Choice& choice) {
    struct Node {
      std::vector<std::size_t> fitting;  // options that the octets so far fit
      Places places;
    };
    const std::size_t length = choice.options.front().size();
    std::vector<Node> nodes(1);
    for (std::size_t i = 0; i < choice.options.size(); ++i) nodes[0].fitting.push_back(i);
    nodes[0].places = open_;
    Places differs;  // places at this depth where no option fits any more
    for (std::size_t depth = 0; depth < length; ++depth) {
      std::vector<Node> deeper;
      Places differ_now;
      const bool begins = empty_ && depth == 0;
      for (const Node& node : nodes) {
        // Octets grouped by which options they keep alive.
        std::vector<std::pair<std::vector<std::size_t>, ByteSet>> groups;
        for (std::size_t c = 0; c < 256; ++c) {
          std::vector<std::size_t> fitting;
          for (const std::size_t i : node.fitting) {
            const ByteMask byte = choice.options[i][depth];
            if ((c & byte.mask) == (byte.value & byte.mask)) fitting.push_back(i);
          }
          auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == fitting; });
          if (group == groups.end()) group = groups.insert(groups.end(), {fitting, ByteSet{}});
          group->second[c] = true;
        }
        for (const auto& [fitting, set] : groups) {
          if (!fitting.empty() && depth + 1 == length) continue;  // an option in full: no match
          const std::uint32_t place = Place(set, node.places, begins);
          if (fitting.empty()) {
            differ_now.push_back(place);
          } else {
            deeper.push_back({fitting, {place}});
          }
        }
        if (sets_.size() > kPatternPlacesMax) return;
      }
      if (!differs.empty()) differ_now.push_back(Place(SetOf({0, 0}), differs, false));
      differs = std::move(differ_now);
      nodes = std::move(deeper);
    }
    open_ = std::move(differs);
    empty_ = false;
  }

  void AddGap(const Gap& gap) {
    // A short fixed gap is as many places that take anything: cheaper than a piece of its own.
    if (gap.least == gap.most && gap.least <= kInlineGapMax && !empty_) {
      for (std::uint32_t i = 0; i < gap.least; ++i) AddByte({0, 0});
      return;
    }
    if (empty_) {  // two gaps in a row are one
      Gap& sum = out_.pieces_.back().gap;
      sum.least += gap.least;
      sum.most = sum.most == Gap::kUnbounded || gap.most == Gap::kUnbounded ? Gap::kUnbounded : sum.most + gap.most;
      return;
    }
    EndPiece();
    BeginPiece(gap);
  }

  void BeginPiece(const Gap& gap) {
    out_.pieces_.push_back({{}, gap});
    open_.clear();
    empty_ = true;
  }

  void EndPiece() { ends_.insert(ends_.end(), open_.begin(), open_.end()); }

  void Finish() {
    const std::size_t words = (sets_.size() + 63) / 64;
    out_.places_ = sets_.size();
    out_.words_ = words;
    out_.steps_.assign(256 * words, 0);
    out_.chain_.assign(words, 0);
    out_.jump_from_.assign(words, 0);
    out_.last_.assign(words, 0);
    const auto set = [](std::vector<std::uint64_t>& bits, std::size_t i) { bits[i / 64] |= std::uint64_t{1} << (i % 64); };
    for (std::size_t place = 0; place < sets_.size(); ++place) {
      for (std::size_t c = 0; c < 256; ++c) {
        if (sets_[place][c]) out_.steps_[c * words + place / 64] |= std::uint64_t{1} << (place % 64);
      }
      if (chained_[place]) set(out_.chain_, place);
    }
    for (const auto& jump : out_.jumps_) set(out_.jump_from_, jump.from);
    for (const std::uint32_t place : ends_) set(out_.last_, place);
    for (const std::uint32_t place : out_.pieces_.front().first) {
      for (std::size_t c = 0; c < 256; ++c) out_.starts_[c] = out_.starts_[c] || sets_[place][c];
    }
    if (std::count(out_.starts_.begin(), out_.starts_.end(), true) == 1) {
      out_.only_start_ = static_cast<int>(std::find(out_.starts_.begin(), out_.starts_.end(), true) - out_.starts_.begin());
    }
  }

  PatternAutomaton& out_;
  std::vector<ByteSet> sets_;
  std::vector<bool> chained_;
  Places open_;         // places after which the next item goes
  bool empty_ = true;   // nothing in this piece yet
  Places ends_;
};

std::shared_ptr<const PatternAutomaton> PatternAutomaton::Build(const std::vector<PatternItem>& items) {
  auto out = std::make_shared<PatternAutomaton>();
  AutomatonBuilder builder(*out);
  if (!builder.Build(items)) return nullptr;
  return out;
}

Verifier::Verifier(std::shared_ptr<const PatternAutomaton> pattern, const Offset& offset, std::uint64_t size)
    : pattern_(std::move(pattern)),
      state_(pattern_->words_),
      next_(pattern_->words_),
      begins_(pattern_->pieces_.size()) {
  switch (offset.kind) {
    case Offset::Kind::kAny:
      begins_[0].push_back({0, kForever});
      break;
    case Offset::Kind::kFromStart:
      begins_[0].push_back({offset.distance, std::uint64_t{offset.distance} + offset.shift});
      break;
    case Offset::Kind::kFromEnd:
      if (size >= offset.distance) begins_[0].push_back({size - offset.distance, size - offset.distance + offset.shift});
      break;
  }
}

bool Verifier::Write(Bytes block) {
  for (std::size_t i = 0; i < block.size() && !found_; ++i) {
    if (!live_ && Idle()) {
      // Nothing is under way: on to the next octet that can begin the pattern.
      const std::size_t j = NextStart(block, i);
      at_ += j - i;
      i = j;
      if (i == block.size()) break;
    }
    Step(block[i]);
  }
  return found_;
}

std::size_t Verifier::NextStart(Bytes block, std::size_t from) const {
  if (pattern_->only_start_ >= 0) {
    const void* found = std::memchr(block.data() + from, pattern_->only_start_, block.size() - from);
    if (found == nullptr) return block.size();
    return static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - block.data());
  }
  while (from < block.size() && !pattern_->starts_[block[from]]) ++from;
  return from;
}

/// Whether only the first piece can begin here or later, and can begin anywhere.
bool Verifier::Idle() const {
  for (std::size_t piece = 1; piece < begins_.size(); ++piece) {
    if (!begins_[piece].empty()) return false;
  }
  return !begins_[0].empty() && begins_[0].front().from <= at_ && begins_[0].front().to == kForever;
}

void Verifier::Inject(std::size_t piece) {
  std::deque<Interval>& begins = begins_[piece];
  while (!begins.empty() && begins.front().to < at_) begins.pop_front();
  if (begins.empty() || begins.front().from > at_) return;
  for (const std::uint32_t place : pattern_->pieces_[piece].first) next_[place / 64] |= std::uint64_t{1} << (place % 64);
}

void Verifier::Step(std::uint8_t c) {
  const PatternAutomaton& p = *pattern_;
  const std::size_t words = p.words_;
  std::uint64_t carry = 0;
  bool jumps = false;
  for (std::size_t w = 0; w < words; ++w) {
    next_[w] = (state_[w] << 1 | carry) & p.chain_[w];
    carry = state_[w] >> 63;
    jumps = jumps || (state_[w] & p.jump_from_[w]) != 0;
  }
  if (jumps) {
    for (const auto& jump : p.jumps_) {
      if ((state_[jump.from / 64] >> (jump.from % 64) & 1) != 0) next_[jump.to / 64] |= std::uint64_t{1} << (jump.to % 64);
    }
  }
  for (std::size_t piece = 0; piece < begins_.size(); ++piece) {
    if (!begins_[piece].empty()) Inject(piece);
  }
  const std::uint64_t* step = &p.steps_[c * words];
  live_ = false;
  for (std::size_t w = 0; w < words; ++w) {
    next_[w] &= step[w];
    live_ = live_ || next_[w] != 0;
  }
  state_.swap(next_);
  ++at_;
  if (!live_) return;
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t ended = state_[w] & p.last_[w]; ended != 0; ended &= ended - 1) {
      Ended(static_cast<std::uint32_t>(w * 64) + static_cast<std::uint32_t>(std::countr_zero(ended)));
    }
  }
}

/// A piece ended before `at_`: the next one may begin within its gap from here.
void Verifier::Ended(std::uint32_t place) {
  const std::size_t next = pattern_->piece_of_[place] + 1;
  if (next == pattern_->pieces_.size()) {
    found_ = true;
    return;
  }
  const Gap& gap = pattern_->pieces_[next].gap;
  const Interval begins{at_ + gap.least, gap.most == Gap::kUnbounded ? kForever : at_ + gap.most};
  std::deque<Interval>& all = begins_[next];
  if (!all.empty() && begins.from <= all.back().to) {
    all.back().to = std::max(all.back().to, begins.to);  // they come in order: intervals that touch are one
    return;
  }
  if (!all.empty() && all.back().to + 1 == begins.from) {
    all.back().to = begins.to;
    return;
  }
  all.push_back(begins);
}

}  // namespace postern
