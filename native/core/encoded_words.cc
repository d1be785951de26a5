#include "encoded_words.h"

#include <optional>

#include "decoder.h"

namespace postern {

namespace {

struct Word {
  std::string charset;
  char encoding;
  std::string_view text;
};

/// Text between words, or a run of words with nothing but white space between them.
struct Run {
  std::string_view plain;
  std::vector<Word> words;
};

class StringSink final : public ByteSink {
 public:
  void Data(Bytes bytes) override { text.append(AsText(bytes)); }
  std::string text;
};

std::string DecodeQ(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_') {
      out.push_back(' ');
    } else if (text[i] == '=' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 && HexValue(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexValue(text[i + 1]) << 4 | HexValue(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string DecodeWord(const Word& word) {
  return word.encoding == 'b' ? DecodeBase64(word.text) : DecodeQ(word.text);
}

/// The word that starts at `text`, and how long it is. A word whose end is missing reaches to the end.
std::optional<std::pair<Word, std::size_t>> ReadWord(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const std::size_t first = text.find('?', 2);
  if (first == std::string_view::npos || first == 2 || first + 2 >= text.size() || text[first + 2] != '?') {
    return std::nullopt;
  }
  const char encoding = LowerAscii(text[first + 1]);
  if (encoding != 'b' && encoding != 'q') return std::nullopt;
  std::string_view charset = text.substr(2, first - 2);
  if (charset.find_first_of(" \t\"<>") != std::string_view::npos) return std::nullopt;
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 section 5: a language may follow
  const std::size_t from = first + 3;
  std::size_t end = text.find("?=", from);
  // "=?utf-8?Q?=41?=": the text may begin with the "=" that seems to end it.
  if (end == from && text.size() > from + 2) {
    const std::size_t later = text.find("?=", from + 1);
    if (later != std::string_view::npos && text.substr(from, later - from).find(' ') == std::string_view::npos) end = later;
  }
  const bool open = end == std::string_view::npos;
  const std::size_t stop = open ? text.size() : end;
  return std::pair{Word{LowerAscii(charset), encoding, text.substr(from, stop - from)}, open ? stop : stop + 2};
}

bool AllBlank(std::string_view text) { return Trim(text).empty(); }

std::vector<Run> SplitRuns(std::string_view text) {
  std::vector<Run> runs;
  std::size_t plain_from = 0;
  std::size_t at = 0;
  while ((at = text.find("=?", at)) != std::string_view::npos) {
    const auto word = ReadWord(text.substr(at));
    if (!word) {
      at += 2;
      continue;
    }
    const std::string_view between = text.substr(plain_from, at - plain_from);
    const bool joins = !runs.empty() && !runs.back().words.empty() && AllBlank(between);
    if (!joins) {
      if (!between.empty()) runs.push_back({between, {}});
      runs.push_back({});
    }
    runs.back().words.push_back(word->first);
    at += word->second;
    plain_from = at;
  }
  if (plain_from < text.size()) runs.push_back({text.substr(plain_from), {}});
  return runs;
}

enum class Joining { kEachAlone, kBytes, kText };

/// The words of one run. Neighbours of one charset and encoding are one text under kBytes (a character may be
/// cut between them) and kText (so may a base64 quantum).
std::string DecodeRun(const std::vector<Word>& words, Joining joining, CharsetConverter& charsets) {
  std::string out;
  for (std::size_t i = 0; i < words.size();) {
    std::size_t j = i + 1;
    std::string bytes = DecodeWord(words[i]);
    if (joining != Joining::kEachAlone) {
      std::string text(words[i].text);
      for (; j < words.size() && words[j].charset == words[i].charset && words[j].encoding == words[i].encoding; ++j) {
        bytes += DecodeWord(words[j]);
        text += words[j].text;
      }
      if (joining == Joining::kText && words[i].encoding == 'b') bytes = DecodeBase64(text);
    }
    out += charsets.ToUtf8(words[i].charset, bytes);
    i = j;
  }
  return out;
}

std::string DecodeAll(const std::vector<Run>& runs, Joining joining, CharsetConverter& charsets) {
  std::string out;
  for (const Run& run : runs) {
    out += run.words.empty() ? GuessToUtf8(run.plain) : DecodeRun(run.words, joining, charsets);
  }
  return out;
}

}  // namespace

std::string DecodeBase64(std::string_view text) {
  StringSink sink;
  Base64Decoder decoder;
  decoder.Write(AsBytes(text), sink);
  decoder.Finish(sink);
  return std::move(sink.text);
}

std::vector<std::string> DecodeWords(std::string_view text, CharsetConverter& charsets) {
  if (text.find("=?") == std::string_view::npos) return {GuessToUtf8(text)};
  const std::vector<Run> runs = SplitRuns(text);
  std::vector<std::string> out;
  for (const Joining joining : {Joining::kBytes, Joining::kEachAlone, Joining::kText}) {
    std::string reading = DecodeAll(runs, joining, charsets);
    bool known = false;
    for (const std::string& other : out) known = known || other == reading;
    if (!known) out.push_back(std::move(reading));
  }
  return out;
}

}  // namespace postern
