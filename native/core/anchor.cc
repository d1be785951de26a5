#include "anchor.h"

#include <algorithm>
#include <array>
#include <bitset>

namespace postern {

namespace {

/// Words that stand in most mail and in most programs: a literal made of them would be seen in every message.
constexpr std::string_view kCommon[] = {
    "content-type: text/plain; charset=\"utf-8\"\r\n", "content-transfer-encoding: quoted-printable base64 7bit 8bit\r\n",
    "content-disposition: attachment; filename=\"image\"; inline\r\n", "mime-version: 1.0\r\n", "boundary=\"----=_nextpart_000",
    "multipart/mixed alternative related", "application/octet-stream pdf", "received: from by with esmtp id for ; mon, tue, wed, thu, fri, sat, sun,",
    "message-id: <", "subject: re: fwd: ", "date: +0000 (utc)", "return-path: reply-to: x-mailer: list-unsubscribe: ",
    "<html><head><meta http-equiv=\"content-type\" content=\"text/html; charset=utf-8\"><title></title></head><body>",
    "</body></html><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\" width=\"100%\" height=\"1\" align=\"center\" valign=\"top\" bgcolor=\"#ffffff\">",
    "<tr><td></td></tr></table><br><br /><p></p><div></div><span></span><font face=\"arial, helvetica, sans-serif\" size=\"2\" color=\"#000000\"></font>",
    "style=\"font-family: font-size: 12px; margin: 0px; padding: 0px; text-align: left; text-decoration: none;\"",
    "<a href=\"http://www. https:// .com/ .html .php .org .net\" target=\"_blank\"></a><img src=\"http://.gif .jpg .png\" alt=\"\">",
    "<script type=\"text/javascript\" language=\"javascript\">function() { var document.write(unescape( string.fromcharcode( window.location eval( return </script>",
    "<!doctype html public \"-//w3c//dtd html 4.01 transitional//en\">", "&nbsp;&amp;&lt;&gt;&quot;", "=3d =20 =0d=0a",
    "this program cannot be run in dos mode.\r\r\n$", ".text .data .rdata .rsrc .reloc", "kernel32.dll user32.dll advapi32.dll msvcrt.dll getprocaddress loadlibrarya getmodulehandlea exitprocess virtualalloc",
    "microsoft corporation windows software currentversion run", "obj endobj stream endstream xref trailer startxref /type /page /length /filter /flatedecode",
    " the and you your for with that this are from have will please email account information", "createobject(\"wscript.shell\") powershell.exe -windowstyle hidden cmd.exe /c ",
};

constexpr std::size_t kGramBits = 16;

std::size_t GramHash(const std::uint8_t* p) {
  const std::uint32_t v = static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
                          static_cast<std::uint32_t>(p[2]) << 8 | p[3];
  return (v * 2654435761U) >> (32 - kGramBits);
}

std::uint8_t Lower(std::uint8_t c) { return static_cast<std::uint8_t>(LowerAscii(static_cast<char>(c))); }

class CommonGrams {
 public:
  CommonGrams() {
    for (const std::string_view text : kCommon) {
      const Bytes bytes = AsBytes(text);
      for (std::size_t i = 0; i + 4 <= bytes.size(); ++i) bits_.set(GramHash(&bytes[i]));
    }
  }
  bool Has(const std::uint8_t* lower) const { return bits_.test(GramHash(lower)); }

 private:
  std::bitset<std::size_t{1} << kGramBits> bits_;
};

/// How much an octet says, in bits, by and large: what is frequent in text and in programs says little.
int Weight(std::uint8_t c) {
  if (c == 0) return 1;
  if (c == ' ' || c == '\r' || c == '\n' || c == 0xff) return 2;
  const auto lower = static_cast<char>(Lower(c));
  if (lower >= 'a' && lower <= 'z') {
    if (std::string_view("etaoinsr").find(lower) != std::string_view::npos) return 3;
    return std::string_view("jqxzkvwyb").find(lower) != std::string_view::npos ? 6 : 4;
  }
  if (c >= '0' && c <= '9') return 5;
  if (std::string_view("<>=\"/.-:;,_").find(static_cast<char>(c)) != std::string_view::npos) return 4;
  return c < 0x20 || c >= 0x7f ? 7 : 6;
}

int Score(const CommonGrams& common, Bytes window) {
  std::array<std::uint8_t, kAnchorMax> lower{};
  int score = 0;
  for (std::size_t i = 0; i < window.size(); ++i) {
    lower[i] = Lower(window[i]);
    const bool repeats = i > 0 && window[i] == window[i - 1];
    const bool repeats_pair = i > 1 && window[i] == window[i - 2];
    score += repeats ? 0 : repeats_pair ? 1 : Weight(window[i]);
  }
  for (std::size_t i = 0; i + 4 <= window.size(); ++i) {
    if (common.Has(&lower[i])) score -= 6;
  }
  return score;
}

bool IsWhite(std::uint8_t c) { return c == ' ' || (c >= 9 && c <= 13); }

/// Whether an item is one octet whose place is fixed relative to its neighbours. In folded text white space is not.
const ByteMask* FixedPlace(const PatternItem& item, bool text) {
  const auto* byte = std::get_if<ByteMask>(&item);
  if (byte == nullptr || (text && (byte->mask != 0xff || IsWhite(byte->value)))) return nullptr;
  return byte;
}

/// Where the best literal of a pattern stands.
class AnchorSearch {
 public:
  AnchorSearch(const std::vector<PatternItem>& items, bool text) : items_(items), text_(text) {}

  void Run() {
    std::string run;
    for (std::size_t i = 0; i <= items_.size(); ++i) {
      const ByteMask* byte = i < items_.size() ? FixedPlace(items_[i], text_) : nullptr;
      if (byte != nullptr && byte->mask == 0xff) {
        run.push_back(static_cast<char>(byte->value));
      } else {
        Consider(run, i - run.size());
        run.clear();
      }
    }
  }

  std::string best;
  std::size_t at = 0;  // the index of its first item

 private:
  void Consider(const std::string& run, std::size_t first) {
    static const CommonGrams common;
    const std::size_t length = std::min(run.size(), kAnchorMax);
    for (std::size_t from = 0; from + length <= run.size() && length > 0; ++from) {
      // A window that begins with NUL starts behind the NULs instead.
      std::size_t begin = from;
      while (begin + 1 < from + length && run[begin] == 0) ++begin;
      const std::string_view window(run.data() + begin, from + length - begin);
      const bool nul = window.front() == 0;
      const int score = Score(common, AsBytes(window));
      if (!best.empty() && (nul != nul_ ? nul : score <= score_)) continue;
      best = window;
      at = first + begin;
      score_ = score;
      nul_ = nul;
    }
  }

  const std::vector<PatternItem>& items_;
  const bool text_;
  int score_ = 0;
  bool nul_ = false;
};

}  // namespace

Anchor ChooseAnchor(const std::vector<PatternItem>& items, Target target) {
  const bool text = IsTextTarget(target);
  AnchorSearch search(items, text);
  search.Run();
  if (search.best.empty()) return {};
  Anchor out{text ? LowerAscii(search.best) : search.best, text, {}, 0};
  std::size_t from = search.at;
  std::size_t to = search.at + search.best.size();
  while (from > 0 && search.at - from < kNeighboursMax && FixedPlace(items[from - 1], text) != nullptr) --from;
  const std::size_t end = to;
  while (to < items.size() && to - end < kNeighboursMax && FixedPlace(items[to], text) != nullptr) ++to;
  for (std::size_t i = from; i < to; ++i) {
    ByteMask byte = std::get<ByteMask>(items[i]);
    if (text) byte.value = static_cast<std::uint8_t>(LowerAscii(static_cast<char>(byte.value)));
    out.around.push_back(byte);
  }
  out.before = end - from;
  return out;
}

}  // namespace postern
