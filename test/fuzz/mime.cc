// Any octets are scanned to the same report however they are cut, and the scan ends.
#include "scan_common.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto database = [] {
    auto made = std::make_shared<postern::SignatureDatabase>(std::vector<postern::SignatureFile>{
        {"fuzz.ndb", postern::SignatureFile::Kind::kNdb, "Fuzz.Text:7:*:6576696c*6d61726b\nFuzz.Any:0:*:4d5a??{-4}50\n"}});
    made->Compile(false);
    return made;
  }();
  static postern::Scanner scanner(database, {.depth_max = 8, .parts_max = 50, .header_bytes_max = 2000});
  fuzz::Input input(data, size);
  const std::uint8_t seed = input.Byte();
  const postern::ScanReport whole = fuzz::Scan(scanner, input.rest(), 0);
  REQUIRE(!whole.limits.contains("error"));
  REQUIRE(whole.parts.size() <= 50);
  REQUIRE(fuzz::Same(whole, fuzz::Scan(scanner, input.rest(), seed)));
  REQUIRE(fuzz::Same(whole, fuzz::Scan(scanner, input.rest(), 1)));
  return 0;
}
