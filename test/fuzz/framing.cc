// Any octets, cut in any way, are framed alike; no bare CR or LF comes out; no more than was promised.
#include "framer.h"
#include "fuzz_common.h"

namespace {

struct Result {
  std::string output;
  std::size_t consumed = 0;
  bool ended = false;
  std::uint64_t longest = 0;
  bool operator==(const Result&) const = default;
};

Result Frame(postern::Framer::Mode mode, postern::Bytes input, std::uint8_t seed) {
  postern::Framer framer;
  framer.Begin(mode);
  Result result;
  fuzz::InPieces(input, seed, [&](postern::Bytes piece) {
    if (framer.ended()) return;
    std::vector<std::uint8_t> out(postern::Framer::OutputMax(piece.size()));
    const auto step = framer.Write(piece, out.data());
    REQUIRE(step.produced <= out.size());
    REQUIRE(framer.ended() || step.consumed == piece.size());
    result.consumed += step.consumed;
    result.output.append(reinterpret_cast<const char*>(out.data()), step.produced);
  });
  framer.Finish();
  result.ended = framer.ended();
  result.longest = framer.longest_line();
  REQUIRE(framer.bytes() == result.output.size());
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const auto mode = (input.Byte() & 1) != 0 ? postern::Framer::Mode::kBdat : postern::Framer::Mode::kData;
  const std::uint8_t seed = input.Byte();
  const Result whole = Frame(mode, input.rest(), 0);
  REQUIRE(whole == Frame(mode, input.rest(), seed));
  REQUIRE(whole == Frame(mode, input.rest(), 1));
  for (std::size_t i = 0; i < whole.output.size(); ++i) {
    if (whole.output[i] == '\n') REQUIRE(i > 0 && whole.output[i - 1] == '\r');
    if (whole.output[i] == '\r') REQUIRE(i + 1 < whole.output.size() && whole.output[i + 1] == '\n');
  }
  return 0;
}
