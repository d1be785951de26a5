#include "report_json.h"

#include <cstdint>
#include <string_view>

namespace postern {

namespace {

/// Writes values one after the other; commas by need.
class JsonWriter {
 public:
  void Open(char bracket) {
    Separate();
    out_.push_back(bracket);
    fresh_ = true;
  }
  void Close(char bracket) {
    out_.push_back(bracket);
    fresh_ = false;
  }
  JsonWriter& Key(std::string_view name) {
    Separate();
    out_.append("\"").append(name).append("\":");
    fresh_ = true;
    return *this;
  }
  void Value(bool value) {
    Separate();
    out_.append(value ? "true" : "false");
  }
  void Value(std::uint64_t value) {
    Separate();
    out_.append(std::to_string(value));
  }
  /// UTF-8, as all strings of a report are.
  void Value(std::string_view text) {
    Separate();
    out_.push_back('"');
    for (const char c : text) Character(c);
    out_.push_back('"');
  }
  /// Octets, each as the character of its number (latin-1).
  void Octets(std::string_view octets) {
    Separate();
    out_.push_back('"');
    for (const char c : octets) {
      if (static_cast<unsigned char>(c) < 0x80) {
        Character(c);
      } else {
        out_.append("\\u00");
        out_.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
        out_.push_back(kDigits[c & 15]);
      }
    }
    out_.push_back('"');
  }
  template <typename Strings>
  void Array(const Strings& all) {
    Open('[');
    for (const std::string& text : all) Value(std::string_view(text));
    Close(']');
  }

  std::string Take() { return std::move(out_); }

 private:
  void Separate() {
    if (!fresh_) out_.push_back(',');
    fresh_ = false;
  }
  void Character(char c) {
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_.append("\\u00");
      out_.push_back(kDigits[c >> 4]);
      out_.push_back(kDigits[c & 15]);
    } else {
      out_.push_back(c);
    }
  }

  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out_;
  bool fresh_ = true;
};

void WriteHeader(JsonWriter& json, const HeaderReport& header) {
  json.Key("header").Open('{');
  json.Key("receivedCount").Value(std::uint64_t{header.received_count});
  json.Key("hasFrom").Value(header.has_from);
  json.Key("hasDate").Value(header.has_date);
  json.Key("hasMessageId").Value(header.has_message_id);
  json.Key("hasRecipient").Value(header.has_recipient);
  json.Key("messageId").Value(std::string_view(header.message_id));
  json.Key("subject").Value(std::string_view(header.subject));
  json.Key("dkimSigned").Array(header.dkim_signed);
  json.Key("bytes").Value(header.bytes);
  json.Close('}');
}

void WritePart(JsonWriter& json, const PartReport& part) {
  json.Open('{');
  json.Key("path").Value(std::string_view(part.path));
  json.Key("type").Value(std::string_view(part.type));
  json.Key("magic").Value(std::string_view(part.magic));
  json.Key("names").Array(part.names);
  json.Key("size").Value(part.size);
  json.Key("sha256").Value(std::string_view(part.sha256));
  json.Close('}');
}

void WriteHeaderText(JsonWriter& json, const HeaderText& header) {
  json.Open('{');
  json.Key("message").Value(header.message);
  json.Key("text").Octets(header.text);
  json.Close('}');
}

void WriteHit(JsonWriter& json, const SignatureHit& hit) {
  json.Open('{');
  json.Key("signature").Value(std::string_view(hit.signature));
  json.Key("path").Value(std::string_view(hit.path));
  json.Close('}');
}

}  // namespace

std::string ToJson(const ScanReport& report) {
  JsonWriter json;
  json.Open('{');
  WriteHeader(json, report.header);
  json.Key("parts").Open('[');
  for (const PartReport& part : report.parts) WritePart(json, part);
  json.Close(']');
  if (!report.headers.empty()) {
    json.Key("headers").Open('[');
    for (const HeaderText& header : report.headers) WriteHeaderText(json, header);
    json.Close(']');
  }
  json.Key("hits").Open('[');
  for (const SignatureHit& hit : report.hits) WriteHit(json, hit);
  json.Close(']');
  json.Key("limits").Array(report.limits);
  json.Key("defects").Array(report.defects);
  json.Key("needsRecheck").Value(report.needs_recheck);
  json.Key("bareLf").Value(report.bare_lf);
  json.Key("bareCr").Value(report.bare_cr);
  json.Key("nul").Value(report.nul);
  json.Key("eightBit").Value(report.eight_bit);
  json.Key("longestLine").Value(report.longest_line);
  json.Key("bytes").Value(report.bytes);
  json.Close('}');
  return json.Take();
}

}  // namespace postern
