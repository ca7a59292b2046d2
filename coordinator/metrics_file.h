// The file metrics.jsonl, a copy of the metrics in coordinator.db for people
// and scripts.  Internal to coordinator/.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "coordinator/state_store.h"

namespace aha::coordinator {

// Makes the file hold the lines of the commits before (stage, step) and no
// others: it is cut where it first differs, and missing lines are appended.  A
// file that is right is only read.  Neither the file nor the lines are ever in
// memory as a whole.
absl::Status MatchMetrics(const std::string& path, StateStore& store,
                          uint32_t stage, uint64_t step);

}  // namespace aha::coordinator
