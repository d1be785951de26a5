// A signature file of any octets, and a message: what is before the first NUL is the file, what follows is
// scanned for it. Both engines and any cut find the same.
#include <algorithm>

#include "scan_common.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 2048) return 0;
  fuzz::Input input(data, size);
  const std::uint8_t seed = input.Byte();
  const postern::Bytes rest = input.rest();
  const auto nul = std::find(rest.begin(), rest.end(), 0);
  const std::string_view file(reinterpret_cast<const char*>(rest.data()), static_cast<std::size_t>(nul - rest.begin()));
  const postern::Bytes message(nul, rest.end());
  const std::vector<postern::SignatureFile> files = {
      {"fuzz.ndb", postern::SignatureFile::Kind::kNdb, file},
      {"fuzz.hdb", postern::SignatureFile::Kind::kHash, file},
  };
  auto plain = std::make_shared<postern::SignatureDatabase>(files);
  plain->Compile(true);
  postern::Scanner by_plain(plain, {.depth_max = 8, .parts_max = 50, .header_bytes_max = 2000});
  const postern::ScanReport whole = fuzz::Scan(by_plain, message, 0);
  REQUIRE(fuzz::Same(whole, fuzz::Scan(by_plain, message, seed)));

  auto compiled = std::make_shared<postern::SignatureDatabase>(files);
  compiled->Compile(false);
  REQUIRE(compiled->hyperscan());
  postern::Scanner by_hyperscan(compiled, {.depth_max = 8, .parts_max = 50, .header_bytes_max = 2000});
  REQUIRE(fuzz::Same(whole, fuzz::Scan(by_hyperscan, message, seed)));
  return 0;
}
