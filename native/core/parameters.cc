#include "parameters.h"

#include <algorithm>
#include <map>

#include "encoded_words.h"

namespace postern {

namespace {

/// One `attribute[*section][*]=value` as it stands. `raw` is the value with its quotes, up to the next
/// semicolon outside of quotes.
struct Parameter {
  bool has_section = false;
  std::uint32_t section = 0;
  bool extended = false;
  std::string_view raw;
};

/// Parameters of one name in one field.
constexpr std::size_t kParametersMax = 128;

/// RFC 2231 numbers its sections 0, 1, 2…; a name needs a few.
constexpr std::uint32_t kSectionMax = 9999;

bool IsWhite(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsTokenEnd(char c) { return c == ';' || c == ',' || IsWhite(c); }

/// Where a quoted string that opens at text[0] ends: behind its closing quote, or the end of the text.
std::size_t QuotedEnd(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return i + 1;
    }
  }
  return text.size();
}

/// The extent of a value: to the next semicolon that no quote hides.
std::string_view RawValue(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && text[i] != ';') {
    i += text[i] == '"' ? QuotedEnd(text.substr(i)) : 1;
  }
  return Trim(text.substr(0, std::min(i, text.size())));
}

/// A comment between an attribute and its value (RFC 2045 section 5.1 allows it) that is longer is not read over,
/// but told: every place that may be an attribute is looked at.
constexpr std::size_t kCommentMax = 1000;

/// The length of the comment that text begins with, comments inside counted; 0 if it does not end within
/// kCommentMax.
std::size_t CommentLength(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < std::min(text.size(), kCommentMax); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

/// Reads `[*section][*] =` behind the attribute's name. Returns what follows the equals sign, or npos.
std::size_t ReadSuffix(std::string_view text, Parameter& parameter, Readings& readings) {
  std::size_t i = 0;
  const auto blanks = [&] {
    while (i < text.size()) {
      const bool comment = text[i] == '(';
      const std::size_t length = comment ? CommentLength(text.substr(i)) : IsWhite(text[i]) ? 1 : 0;
      if (comment && length == 0 && text.size() - i > kCommentMax) readings.Overflow();
      if (length == 0) return;
      i += length;
    }
  };
  blanks();
  if (i < text.size() && text[i] == '*') {
    ++i;
    std::size_t digits = 0;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
      parameter.section = std::min(kSectionMax, parameter.section * 10 + static_cast<std::uint32_t>(text[i] - '0'));
      ++i;
      ++digits;
    }
    parameter.has_section = digits > 0;
    parameter.extended = digits == 0;
    blanks();
    if (digits > 0 && i < text.size() && text[i] == '*') {
      parameter.extended = true;
      ++i;
      blanks();
    }
  }
  if (i >= text.size() || text[i] != '=') return std::string_view::npos;
  ++i;
  // A comment here stays: a file may be called (1).exe.
  while (i < text.size() && IsWhite(text[i])) ++i;
  return i;
}

/// Every place where `key` stands as an attribute, whatever separates it from what is before it: a missing
/// semicolon or one too many must not hide a name.
std::vector<Parameter> FindParameters(std::string_view value, std::string_view key, Readings& readings) {
  std::vector<Parameter> found;
  const std::string lower = LowerAscii(value);
  for (std::size_t at = lower.find(key); at != std::string::npos; at = lower.find(key, at + 1)) {
    if (at > 0) {
      const char before = lower[at - 1];
      const bool letter = (before >= 'a' && before <= 'z') || (before >= '0' && before <= '9') || before == '-' || before == '_';
      if (letter) continue;
    }
    Parameter parameter;
    const std::string_view rest = value.substr(at + key.size());
    const std::size_t from = ReadSuffix(rest, parameter, readings);
    if (from == std::string_view::npos) continue;
    parameter.raw = RawValue(rest.substr(from, Readings::kBytesMax + 1));
    if (found.size() == kParametersMax || parameter.raw.size() > Readings::kBytesMax) {
      readings.Overflow();
      break;
    }
    found.push_back(parameter);
  }
  return found;
}

std::string Unquote(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') break;
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out.push_back(text[i]);
  }
  return out;
}

std::string WithoutComments(std::string_view text) {
  std::string out;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      if (depth == 0) out.append(text.substr(i, 2));
      ++i;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')' && depth > 0) {
      --depth;
    } else if (depth == 0) {
      out.push_back(text[i]);
    }
  }
  return std::string(Trim(out));
}

/// The ways to take the octets of one raw value.
std::vector<std::string> RawReadings(std::string_view raw) {
  std::vector<std::string> out;
  if (raw.starts_with('"')) {
    out.push_back(Unquote(raw));
    const std::string_view inner = raw.substr(1);
    out.emplace_back(inner.substr(0, inner.find('"')));  // a backslash is a backslash, as in Windows paths
    const std::size_t last = inner.rfind('"');
    if (last != std::string_view::npos) out.emplace_back(inner.substr(0, last));
  } else {
    out.emplace_back(raw);
    const auto end = std::find_if(raw.begin(), raw.end(), IsTokenEnd);
    out.emplace_back(raw.begin(), end);
    if (raw.find('"') != std::string_view::npos) {  // evil".exe": quotes in the middle fall away
      std::string bare(raw);
      std::erase(bare, '"');
      out.push_back(std::move(bare));
    }
  }
  if (raw.find('(') != std::string_view::npos && !raw.starts_with('"')) out.push_back(WithoutComments(raw));
  return out;
}

/// The octets of one raw value, the usual way.
std::string PlainValue(std::string_view raw) {
  if (raw.starts_with('"')) return Unquote(raw);
  return std::string(raw.begin(), std::find_if(raw.begin(), raw.end(), IsTokenEnd));
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) << 4 | HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

struct Extended {
  std::string charset;
  std::string text;
};

/// `charset'language'text`; without two quotes all of it is text.
Extended SplitExtended(std::string_view value) {
  const std::size_t first = value.find('\'');
  const std::size_t second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos) return {"", std::string(value)};
  return {std::string(value.substr(0, first)), std::string(value.substr(second + 1))};
}

/// One octet string as the names that it can mean.
void AddText(std::string_view octets, CharsetConverter& charsets, Readings& names) {
  for (std::string& reading : DecodeWords(octets, charsets)) {
    const std::size_t nul = reading.find('\0');
    if (nul != std::string::npos) names.Add(reading.substr(0, nul));
    names.Add(std::move(reading));
  }
}

void AddExtended(std::string_view raw, CharsetConverter& charsets, Readings& names) {
  for (const std::string& value : RawReadings(raw)) {
    const Extended parts = SplitExtended(value);
    AddText(charsets.ToUtf8(parts.charset, PercentDecode(parts.text)), charsets, names);
    AddText(PercentDecode(parts.text), charsets, names);
  }
}

/// RFC 2231 section 3: pieces joined by number, and in the order in which they stand if that is another.
void AddSections(std::vector<Parameter> pieces, CharsetConverter& charsets, Readings& names) {
  if (pieces.empty()) return;
  const auto join = [&] {
    std::string charset;
    std::string raw;      // percent signs decoded after joining: an escape may be cut between pieces
    std::string decoded;  // decoded piece by piece, as the RFC has it
    for (const Parameter& piece : pieces) {
      std::string value = PlainValue(piece.raw);
      if (piece.extended && raw.empty() && charset.empty()) {
        Extended parts = SplitExtended(value);
        charset = std::move(parts.charset);
        value = std::move(parts.text);
      }
      raw += value;
      decoded += piece.extended ? PercentDecode(value) : value;
    }
    AddText(charsets.ToUtf8(charset, decoded), charsets, names);
    AddText(charsets.ToUtf8(charset, PercentDecode(raw)), charsets, names);
    AddText(raw, charsets, names);
  };
  join();
  const auto by_number = [](const Parameter& a, const Parameter& b) { return a.section < b.section; };
  if (!std::is_sorted(pieces.begin(), pieces.end(), by_number)) {
    std::stable_sort(pieces.begin(), pieces.end(), by_number);
    join();
  }
  // A number given twice: the first and the last of each are readings too.
  const auto same = [](const Parameter& a, const Parameter& b) { return a.section == b.section; };
  if (std::adjacent_find(pieces.begin(), pieces.end(), same) == pieces.end()) return;
  std::vector<Parameter> all = pieces;
  pieces.erase(std::unique(pieces.begin(), pieces.end(), same), pieces.end());
  join();
  std::reverse(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  std::reverse(all.begin(), all.end());
  pieces = std::move(all);
  join();
}

void CollectFrom(std::string_view value, std::string_view key, CharsetConverter& charsets, Readings& names) {
  std::vector<Parameter> sections;
  for (const Parameter& parameter : FindParameters(value, key, names)) {
    if (names.full()) return;
    if (parameter.has_section) {
      sections.push_back(parameter);
    } else if (parameter.extended) {
      AddExtended(parameter.raw, charsets, names);
    } else {
      for (const std::string& reading : RawReadings(parameter.raw)) {
        AddText(reading, charsets, names);
        // name="utf-8''evil%2Eexe" without the asterisk is decoded by some.
        if (reading.find('%') != std::string::npos) AddText(PercentDecode(SplitExtended(reading).text), charsets, names);
      }
    }
  }
  AddSections(std::move(sections), charsets, names);
}

/// Folds that are not behind a semicolon may stand inside of a name.
bool FoldsInside(std::string_view value) {
  for (std::size_t at = value.find('\n'); at != std::string_view::npos; at = value.find('\n', at + 1)) {
    const std::string_view before = TrimRight(value.substr(0, at));
    if (!before.empty() && before.back() != ';') return true;
  }
  return false;
}

/// Folds taken out together with the white space that follows: some programs do so.
std::string UnfoldTight(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '\r' && value[i] != '\n') {
      out.push_back(value[i]);
      continue;
    }
    while (i + 1 < value.size() && (IsBlank(value[i + 1]) || value[i + 1] == '\r' || value[i + 1] == '\n')) ++i;
  }
  return out;
}

}  // namespace

void Readings::Add(std::string reading) {
  if (reading.empty() || std::find(all_.begin(), all_.end(), reading) != all_.end()) return;
  if (all_.size() == kMax || reading.size() > kBytesMax) {
    full_ = true;
    return;
  }
  all_.push_back(std::move(reading));
}

void CollectNames(std::string_view value, std::string_view key, CharsetConverter& charsets, Readings& names) {
  CollectFrom(Unfold(value), key, charsets, names);
  if (FoldsInside(value)) CollectFrom(UnfoldTight(value), key, charsets, names);
}

void CollectBoundaries(std::string_view value, Readings& boundaries) {
  const std::string text = Unfold(value);
  std::vector<Parameter> sections;
  for (const Parameter& parameter : FindParameters(text, "boundary", boundaries)) {
    if (parameter.has_section) {
      sections.push_back(parameter);
      continue;
    }
    for (const std::string& reading : RawReadings(parameter.raw)) {
      boundaries.Add(std::string(TrimRight(reading)));
      if (parameter.extended) boundaries.Add(PercentDecode(SplitExtended(reading).text));
    }
  }
  if (sections.empty()) return;
  std::stable_sort(sections.begin(), sections.end(),
                   [](const Parameter& a, const Parameter& b) { return a.section < b.section; });
  std::string joined;
  for (const Parameter& piece : sections) {
    const std::string octets = PlainValue(piece.raw);
    joined += piece.extended ? PercentDecode(joined.empty() ? SplitExtended(octets).text : octets) : octets;
  }
  boundaries.Add(std::move(joined));
}

std::string Unfold(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    if (c != '\r' && c != '\n') out.push_back(c);
  }
  return out;
}

std::string MediaType(std::string_view value) {
  const std::string text = LowerAscii(WithoutComments(Unfold(value)));
  std::string out;
  for (const char c : text.substr(0, text.find(';'))) {
    if (!IsBlank(c)) out.push_back(c);
  }
  return out;
}

}  // namespace postern
