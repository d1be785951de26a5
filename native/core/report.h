#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace postern {

struct PartReport {
  std::string path;
  std::string type;
  std::string magic;
  std::vector<std::string> names;
  std::uint64_t size = 0;
  std::string sha256;  // hexadecimal
};

/// The header of a part, or of a message inside of the message, as it stands.
struct HeaderText {
  bool message = false;
  std::string text;
};

struct SignatureHit {
  std::string signature;
  std::string path;
  auto operator<=>(const SignatureHit&) const = default;
};

/// Of the outermost header.
struct HeaderReport {
  std::uint32_t received_count = 0;
  bool has_from = false;
  bool has_date = false;
  bool has_message_id = false;
  bool has_recipient = false;
  std::string message_id;
  std::string subject;
  std::set<std::string> dkim_signed;
  std::uint64_t bytes = 0;
};

/// The same members as ScanReport of src/match/types.ts.
struct ScanReport {
  HeaderReport header;
  std::vector<PartReport> parts;
  std::vector<HeaderText> headers;
  std::set<SignatureHit> hits;
  std::set<std::string> limits;
  std::set<std::string> defects;
  bool needs_recheck = false;
  bool bare_lf = false;
  bool bare_cr = false;
  bool nul = false;
  bool eight_bit = false;
  std::uint64_t longest_line = 0;
  std::uint64_t bytes = 0;
};

}  // namespace postern
