// metrics.jsonl, which shows the commits of coordinator.db.  Internal to
// coordinator/.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "coordinator/state_store.h"

namespace aha::coordinator {

// Makes the file hold the lines of the commits before (stage, step), no others:
// it is cut where it first differs, and what it lacks is appended.  A file that
// is right is only read; neither it nor the lines are ever whole in memory.
absl::Status MatchMetrics(const std::string& path, StateStore& store,
                          uint32_t stage, uint64_t step);

}  // namespace aha::coordinator
