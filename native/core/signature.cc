#include "signature.h"

#include <algorithm>
#include <charconv>

namespace postern {

namespace {

/// A name is printed in a reply of one line.
constexpr std::size_t kNameMax = 255;

/// Strings of one alternative; ClamAV's own have a handful.
constexpr std::size_t kOptionsMax = 256;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  std::size_t from = 0;
  while (true) {
    const std::size_t at = text.find(separator, from);
    out.push_back(text.substr(from, at - from));
    if (at == std::string_view::npos) return out;
    from = at + 1;
  }
}

template <typename Number>
bool ReadNumber(std::string_view text, Number& out) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127; });
}

bool IsTarget(unsigned number) { return number <= 12 && number != 8; }

/// Reads a pattern from left to right; `problem` is set by the first thing that is wrong.
class PatternReader {
 public:
  explicit PatternReader(std::string_view hex) : rest_(hex) {}

  std::vector<PatternItem> items;
  std::string problem;

  bool Read() {
    while (!rest_.empty() && problem.empty()) Next();
    if (problem.empty()) Check();
    return problem.empty();
  }

 private:
  void Next() {
    switch (rest_.front()) {
      case '*':
        rest_.remove_prefix(1);
        items.emplace_back(Gap{0, Gap::kUnbounded});
        return;
      case '{':
        ReadGap('}');
        return;
      case '[':
        ReadGap(']');
        return;
      case '(':
        ReadChoice(false);
        return;
      case '!':
        rest_.remove_prefix(1);
        ReadChoice(true);
        return;
      default: {
        ByteMask byte;
        if (ReadByte(rest_, byte)) items.emplace_back(byte);
      }
    }
  }

  bool ReadByte(std::string_view& from, ByteMask& out) {
    if (from.size() < 2) {
      problem = "odd number of hexadecimal digits";
      return false;
    }
    out = {0, 0};
    for (const int shift : {4, 0}) {
      const char c = from.front();
      from.remove_prefix(1);
      if (c == '?') continue;
      const int value = HexValue(c);
      if (value < 0) {
        problem = std::string("unexpected character '") + (c > 32 && c < 127 ? c : '?') + "' in the pattern";
        return false;
      }
      out.value = static_cast<std::uint8_t>(out.value | value << shift);
      out.mask = static_cast<std::uint8_t>(out.mask | 15 << shift);
    }
    return true;
  }

  /// {n} {-n} {n-} {n-m}, and the same in brackets.
  void ReadGap(char close) {
    const std::size_t end = rest_.find(close);
    if (end == std::string_view::npos) {
      problem = "unclosed gap";
      return;
    }
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    const std::size_t dash = text.find('-');
    Gap gap;
    bool good = true;
    if (dash == std::string_view::npos) {
      good = ReadNumber(text, gap.least);
      gap.most = gap.least;
    } else {
      const std::string_view from = text.substr(0, dash);
      const std::string_view to = text.substr(dash + 1);
      good = !text.substr(1).empty() && (from.empty() || ReadNumber(from, gap.least));
      gap.most = Gap::kUnbounded;
      if (!to.empty()) good = good && ReadNumber(to, gap.most);
    }
    if (!good || gap.most < gap.least) {
      problem = "malformed gap";
    } else if (gap.least > kGapMax || (gap.most != Gap::kUnbounded && gap.most > kGapMax)) {
      problem = "gap longer than " + std::to_string(kGapMax);
    } else {
      items.emplace_back(gap);
    }
  }

  void ReadChoice(bool negated) {
    const std::size_t end = rest_.starts_with('(') ? rest_.find(')') : std::string_view::npos;
    if (end == std::string_view::npos) {
      problem = "malformed alternative";
      return;
    }
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (text == "B" || text == "L" || text == "W") {
      problem = "boundary class (" + std::string(text) + ") is not supported";
      return;
    }
    Choice choice;
    choice.negated = negated;
    for (std::string_view option : Split(text, '|')) {
      std::vector<ByteMask> bytes;
      while (!option.empty() && problem.empty()) {
        ByteMask byte;
        if (ReadByte(option, byte)) bytes.push_back(byte);
      }
      if (problem.empty() && bytes.empty()) problem = "empty alternative";
      if (!problem.empty()) return;
      choice.options.push_back(std::move(bytes));
    }
    const auto other_length = [&](const auto& option) { return option.size() != choice.options.front().size(); };
    if (choice.options.size() > kOptionsMax) {
      problem = "more than " + std::to_string(kOptionsMax) + " alternatives";
      return;
    }
    if (negated && std::any_of(choice.options.begin(), choice.options.end(), other_length)) {
      problem = "negated alternatives of different length";
      return;
    }
    items.emplace_back(std::move(choice));
  }

  void Check() {
    const auto is_gap = [](const PatternItem& item) { return std::holds_alternative<Gap>(item); };
    const auto is_fixed = [](const PatternItem& item) {
      const auto* byte = std::get_if<ByteMask>(&item);
      return byte != nullptr && byte->mask == 0xff;
    };
    if (items.empty()) {
      problem = "empty pattern";
    } else if (is_gap(items.front()) || is_gap(items.back())) {
      problem = "pattern begins or ends with a gap";
    } else if (std::none_of(items.begin(), items.end(), is_fixed)) {
      problem = "pattern without a single fixed octet";
    } else if (PlacesOf(items) > kPatternPlacesMax) {
      problem = "pattern has more than " + std::to_string(kPatternPlacesMax) + " places";
    }
  }

  /// An upper bound of the places of its automaton.
  static std::size_t PlacesOf(const std::vector<PatternItem>& items) {
    std::size_t places = 0;
    for (const PatternItem& item : items) {
      if (const auto* gap = std::get_if<Gap>(&item)) {
        if (gap->least == gap->most && gap->least <= kInlineGapMax) places += gap->least;
      } else if (const auto* choice = std::get_if<Choice>(&item)) {
        // A negated one has for each octet of each string a place that fits and one that differs, and a chain.
        for (const auto& option : choice->options) places += option.size() * (choice->negated ? 3 : 1);
      } else {
        ++places;
      }
    }
    return places;
  }

  std::string_view rest_;
};

/// "*", "n", "n,shift", "EOF-n", "EOF-n,shift".
bool ReadOffset(std::string_view text, Offset& out, std::string& problem) {
  if (text == "*" || text.empty()) return true;
  const std::size_t comma = text.find(',');
  std::string_view base = text.substr(0, comma);
  if (comma != std::string_view::npos && !ReadNumber(text.substr(comma + 1), out.shift)) {
    problem = "malformed offset";
    return false;
  }
  out.kind = Offset::Kind::kFromStart;
  if (base.starts_with("EOF-")) {
    out.kind = Offset::Kind::kFromEnd;
    base.remove_prefix(4);
  }
  if (ReadNumber(base, out.distance)) return true;
  problem = "offset '" + std::string(text.substr(0, 20)) + "' is not supported";
  return false;
}

enum class Level { kOurs, kOther, kMalformed };

/// `fields` from `first` on: the least and the last feature level, either may be absent or empty.
Level ReadLevels(const std::vector<std::string_view>& fields, std::size_t first) {
  unsigned least = 0;
  unsigned last = kFeatureLevel;
  if (fields.size() > first && !fields[first].empty() && !ReadNumber(fields[first], least)) return Level::kMalformed;
  if (fields.size() > first + 1 && !fields[first + 1].empty() && !ReadNumber(fields[first + 1], last)) return Level::kMalformed;
  return least <= kFeatureLevel && last >= kFeatureLevel ? Level::kOurs : Level::kOther;
}

}  // namespace

std::string WithCrLf(std::string_view hex) {
  std::string out;
  bool changed = false;
  for (std::size_t i = 0; i < hex.size();) {
    const char c = hex[i];
    const std::size_t gap_end = c == '{' ? hex.find('}', i) : c == '[' ? hex.find(']', i) : std::string_view::npos;
    std::size_t length = 2;
    if (gap_end != std::string_view::npos) length = gap_end + 1 - i;
    if (c == '*' || c == '(' || c == ')' || c == '|' || c == '!') length = 1;
    const std::string_view item = hex.substr(i, length);
    // What stands before it may be a CR already.
    const std::string_view before = i >= 2 ? hex.substr(i - 2, 2) : std::string_view();
    if (EqualsIgnoreCase(item, "0a") && !EqualsIgnoreCase(before, "0d") && before.find('?') == std::string_view::npos) {
      out += "0d";
      changed = true;
    }
    out += item;
    i += length;
  }
  return changed ? out : std::string();
}

std::variant<std::vector<PatternItem>, std::string> ParsePattern(std::string_view hex) {
  if (hex.size() > kPatternHexMax) return "pattern longer than " + std::to_string(kPatternHexMax) + " characters";
  PatternReader reader(hex);
  if (!reader.Read()) return std::move(reader.problem);
  return std::move(reader.items);
}

std::variant<Signature, OtherLevel, std::string> ParseNdbLine(std::string_view line) {
  const std::vector<std::string_view> fields = Split(line, ':');
  if (fields.size() < 4 || fields.size() > 6) return "expected Name:Target:Offset:Pattern";
  if (!IsName(fields[0])) return "malformed name";
  unsigned target = 0;
  if (!ReadNumber(fields[1], target)) return "malformed target";
  if (!IsTarget(target)) return "target " + std::to_string(target) + " is not supported";
  const Level level = ReadLevels(fields, 4);
  if (level == Level::kMalformed) return "malformed feature level";
  Signature out;
  out.name = fields[0];
  out.target = static_cast<Target>(target);
  std::string problem;
  if (!ReadOffset(fields[2], out.offset, problem)) return problem;
  out.hex = fields[3];
  auto pattern = ParsePattern(out.hex);
  if (auto* wrong = std::get_if<std::string>(&pattern)) return std::move(*wrong);
  if (level == Level::kOther) return OtherLevel{};
  return out;
}

std::variant<HashSignature, OtherLevel, std::string> ParseHashLine(std::string_view line) {
  const std::vector<std::string_view> fields = Split(line, ':');
  if (fields.size() < 3 || fields.size() > 5) return "expected digest:size:name";
  HashSignature out;
  if (fields[0].size() != 32 && fields[0].size() != 40 && fields[0].size() != 64) return "digest of unknown length";
  for (std::size_t i = 0; i < fields[0].size(); i += 2) {
    const int high = HexValue(fields[0][i]);
    const int low = HexValue(fields[0][i + 1]);
    if (high < 0 || low < 0) return "malformed digest";
    out.digest.push_back(static_cast<char>(high << 4 | low));
  }
  if (fields[1] != "*" && !ReadNumber(fields[1], out.size)) return "malformed size";
  if (!IsName(fields[2])) return "malformed name";
  out.name = fields[2];
  const Level level = ReadLevels(fields, 3);
  if (level == Level::kMalformed) return "malformed feature level";
  if (level == Level::kOther) return OtherLevel{};
  return out;
}

}  // namespace postern
