// Ranks as threads of one process: for tests of everything above comm/.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "comm/communicator.h"

namespace aha::comm {

// One communicator a rank; hand each to its thread.  Destroying one is that
// rank's death: the others' calls fail and name it.
absl::StatusOr<std::vector<std::unique_ptr<Communicator>>> NewLocalGroup(
    int size, absl::Duration timeout);

}  // namespace aha::comm
