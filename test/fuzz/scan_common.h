#pragma once

#include <memory>

#include "fuzz_common.h"
#include "scanner.h"

namespace fuzz {

/// A scan in pieces, with the second look where it is wanted.
inline postern::ScanReport Scan(postern::Scanner& scanner, postern::Bytes message, std::uint8_t seed) {
  scanner.Begin(postern::Framer::Mode::kBdat);
  std::vector<std::uint8_t> stored;
  InPieces(message, seed, [&](postern::Bytes piece) {
    std::vector<std::uint8_t> out(postern::Framer::OutputMax(piece.size()));
    const auto step = scanner.Write(piece, out.data());
    stored.insert(stored.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(step.produced));
  });
  postern::ScanReport report = scanner.Finish();
  if (!report.needs_recheck) return report;
  scanner.BeginRecheck();
  InPieces(stored, seed, [&](postern::Bytes piece) { scanner.Recheck(piece); });
  return scanner.FinishRecheck();
}

inline bool Same(const postern::ScanReport& a, const postern::ScanReport& b) {
  if (a.parts.size() != b.parts.size() || a.hits != b.hits || a.limits != b.limits || a.defects != b.defects) return false;
  if (a.header.bytes != b.header.bytes || a.bytes != b.bytes || a.longest_line != b.longest_line) return false;
  for (std::size_t i = 0; i < a.parts.size(); ++i) {
    const auto& p = a.parts[i];
    const auto& q = b.parts[i];
    if (p.path != q.path || p.type != q.type || p.magic != q.magic || p.names != q.names) return false;
    if (p.size != q.size || p.sha256 != q.sha256) return false;
  }
  return true;
}

}  // namespace fuzz
