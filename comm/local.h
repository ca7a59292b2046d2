// Ranks as threads of one process, for tests of everything above comm/.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "comm/communicator.h"

namespace aha::comm {

// Returns one communicator for each rank, each for a thread of its own.
// Destroying one simulates the loss of that rank: the calls of the others fail
// and name it.
absl::StatusOr<std::vector<std::unique_ptr<Communicator>>> NewLocalRanks(
    int size, absl::Duration timeout);

}  // namespace aha::comm
