#include "learner/step_result.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace aha::learner {

absl::Status CompareChecksums(const Hash128& mine, uint64_t step,
                              comm::Communicator& comm) {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                       comm.AllGatherBytes("weights checksum", mine.ToBytes()));
  std::vector<size_t> differing;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] != all[0]) differing.push_back(rank);
  }
  if (differing.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "before step ", step, ": the state of rank ",
      absl::StrJoin(differing, ", "),
      " (weights and history) differs from rank 0's; this rank has ",
      mine.Hex()));
}

}  // namespace aha::learner
