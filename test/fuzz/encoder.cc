// Whatever is stored, what is sent ends once, at its end, and is the same for any cut.
#include "encoder.h"
#include "framer.h"
#include "fuzz_common.h"

namespace {

using Mode = postern::Encoder::Mode;

std::string Encode(postern::Bytes input, std::uint8_t seed, Mode mode) {
  postern::Encoder encoder;
  encoder.Begin(mode);
  std::string all;
  fuzz::InPieces(input, seed, [&](postern::Bytes piece) {
    std::vector<std::uint8_t> out(postern::Encoder::OutputMax(piece.size()));
    const std::size_t length = encoder.Write(piece, out.data());
    REQUIRE(length <= out.size());
    all.append(reinterpret_cast<const char*>(out.data()), length);
  });
  std::vector<std::uint8_t> last(postern::Encoder::kFinishMax);
  const std::size_t length = encoder.Finish(last.data());
  REQUIRE(length <= last.size());
  return all.append(reinterpret_cast<const char*>(last.data()), length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t seed = input.Byte();
  const std::string whole = Encode(input.rest(), 0, Mode::kData);
  REQUIRE(whole == Encode(input.rest(), seed, Mode::kData));

  postern::Framer framer;
  framer.Begin(postern::Framer::Mode::kData);
  std::vector<std::uint8_t> out(postern::Framer::OutputMax(whole.size()));
  const auto step = framer.Write(postern::AsBytes(whole), out.data());
  REQUIRE(framer.ended() && step.consumed == whole.size());
  REQUIRE(!framer.bare_lf() && !framer.bare_cr());
  REQUIRE(framer.longest_line() <= postern::Encoder::kLineMax);

  // As chunks it is the same message, as the receiver reads it.
  const std::string chunks = Encode(input.rest(), 0, Mode::kBdat);
  REQUIRE(chunks == Encode(input.rest(), seed, Mode::kBdat));
  REQUIRE(chunks == std::string(reinterpret_cast<const char*>(out.data()), step.produced));
  return 0;
}
