#pragma once

#include <string>

#include "report.h"

namespace postern {

/// The report with the member names of ScanReport in src/match/types.ts. As one text, because a call into the
/// engine for each member costs more than the scan of a small mail.
std::string ToJson(const ScanReport& report);

}  // namespace postern
