#include "magic.h"

#include <algorithm>
#include <array>

namespace postern {

namespace {

using namespace std::string_view_literals;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  std::string_view type;
};

constexpr std::array kMagics = {
    Magic{0, "MZ"sv, "exe"},
    Magic{0, "\x7f" "ELF"sv, "elf"},
    Magic{0, "\xfe\xed\xfa\xce"sv, "macho"},
    Magic{0, "\xfe\xed\xfa\xcf"sv, "macho"},
    Magic{0, "\xce\xfa\xed\xfe"sv, "macho"},
    Magic{0, "\xcf\xfa\xed\xfe"sv, "macho"},
    Magic{0, "PK\x03\x04"sv, "zip"},
    Magic{0, "PK\x05\x06"sv, "zip"},
    Magic{0, "PK\x07\x08"sv, "zip"},
    Magic{0, "PK00PK\x03\x04"sv, "zip"},
    Magic{0, "Rar!\x1a\x07"sv, "rar"},
    Magic{0, "7z\xbc\xaf\x27\x1c"sv, "7z"},
    Magic{0, "\x1f\x8b"sv, "gzip"},
    Magic{0, "BZh"sv, "bzip2"},
    Magic{0, "\xfd" "7zXZ\0"sv, "xz"},
    Magic{0, "\x28\xb5\x2f\xfd"sv, "zstd"},
    Magic{0, "MSCF"sv, "cab"},
    Magic{0, "ISc("sv, "cab"},
    Magic{0, "\x60\xea"sv, "arj"},
    Magic{2, "-lh"sv, "lha"},
    Magic{7, "**ACE**"sv, "ace"},
    Magic{0, "ALZ\x01"sv, "alz"},
    Magic{0, "EGGA"sv, "egg"},
    Magic{257, "ustar"sv, "tar"},
    Magic{0, "!<arch>\n"sv, "ar"},
    Magic{0, "%PDF"sv, "pdf"},
    Magic{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "ole2"},
    Magic{0, "{\\rt"sv, "rtf"},
    Magic{0, "\x89PNG\r\n\x1a\n"sv, "png"},
    Magic{0, "\xff\xd8\xff"sv, "jpeg"},
    Magic{0, "GIF8"sv, "gif"},
    Magic{0, "BM"sv, "bmp"},
    Magic{0, "II*\0"sv, "tiff"},
    Magic{0, "MM\0*"sv, "tiff"},
    Magic{8, "WEBP"sv, "webp"},
    Magic{0, "FWS"sv, "swf"},
    Magic{0, "CWS"sv, "swf"},
    Magic{0, "ZWS"sv, "swf"},
    Magic{0, "L\0\0\0\x01\x14\x02\0"sv, "lnk"},
    Magic{0, "ITSF"sv, "chm"},
    Magic{0, "ID3"sv, "mp3"},
    Magic{4, "ftyp"sv, "mp4"},
    Magic{0, "OggS"sv, "ogg"},
    Magic{0, "\x78\x9f\x3e\x22"sv, "tnef"},
    Magic{0, "#!"sv, "script"},
};

bool Has(Bytes head, std::size_t offset, std::string_view bytes) {
  return head.size() >= offset + bytes.size() && AsText(head.subspan(offset, bytes.size())) == bytes;
}

/// A Java class and a Mach-O universal file begin alike; the second has a small count of architectures where
/// the first has its version (45 and up).
std::string_view CafeBabe(Bytes head) { return head.size() >= 8 && head[7] < 40 ? "macho" : "java"; }

/// Tags that begin nothing but HTML.
bool HasHtmlTag(std::string_view text) {
  constexpr std::array kTags = {"<html"sv, "<!doctype html"sv, "<head"sv, "<body"sv, "<script"sv, "<table"sv};
  for (std::size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    for (const std::string_view tag : kTags) {
      if (EqualsIgnoreCase(text.substr(at, tag.size()), tag)) return true;
    }
  }
  return false;
}

bool IsTextOctet(char raw) {
  const auto c = static_cast<unsigned char>(raw);
  if (c >= 0x20) return c != 0x7f;
  return c == '\r' || c == '\n' || c == '\t' || c == '\f' || c == 0x1b;
}

std::string_view TextType(Bytes head) {
  std::string_view text = AsText(head);
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!std::all_of(text.begin(), text.end(), IsTextOctet)) return "";
  if (HasHtmlTag(text)) return "html";
  return Trim(text).starts_with("<?xml") ? "xml" : "text";
}

}  // namespace

std::string_view MagicType(Bytes head) {
  if (head.empty()) return "";
  if (Has(head, 0, "\xca\xfe\xba\xbe")) return CafeBabe(head);
  for (const Magic& magic : kMagics) {
    if (Has(head, magic.offset, magic.bytes)) return magic.type;
  }
  // Readers take a PDF whose header stands within the first 1,024 octets.
  if (AsText(head).find("%PDF-") != std::string_view::npos) return "pdf";
  return TextType(head);
}

}  // namespace postern
