// Header fields of any octets: every reading of a name is UTF-8, and there is an end to them.
#include "charset.h"
#include "encoded_words.h"
#include "fuzz_common.h"
#include "header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // the header has a limit of its own; here what matters is speed
  const std::string_view text = postern::AsText({data, size});
  postern::CharsetConverter charsets;
  const std::vector<postern::HeaderField> fields = {
      {"content-type", "application/x; name=" + std::string(text)},
      {"content-disposition", std::string(text)},
      {"content-transfer-encoding", std::string(text)},
  };
  const postern::BodyDescription body = postern::Describe(fields, charsets);
  REQUIRE(body.names.size() <= postern::Readings::kMax);
  for (const std::string& name : body.names) REQUIRE(!name.empty() && postern::IsUtf8(name));
  for (const std::string& reading : postern::DecodeWords(text, charsets)) REQUIRE(postern::IsUtf8(reading));
  postern::HeaderCollector header;
  header.Begin(true);
  header.Add(text);
  return 0;
}
