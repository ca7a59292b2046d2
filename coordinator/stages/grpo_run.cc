#include "coordinator/stages/grpo_run.h"

#include "absl/strings/str_cat.h"
#include "coordinator/log_status.h"
#include "rl/schedule.h"

namespace aha::coordinator {

absl::Status GrpoRun::CheckCommit(const CommitRecord& commit) const {
  const uint64_t version = commit.step + 1;
  const auto published =
      parts().weights->Find(WeightsId{.stage = stage(), .version = version});
  if (!published.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "step: version ", version, " must be published before its commit"));
  }
  if (published->checksum == commit.weights) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "weights_checksum: version ", version, " was published as ",
      published->checksum.Hex(), ", the commit has ", commit.weights.Hex()));
}

void GrpoRun::Commit(const CommitRecord& commit) {
  ledger()->Train(commit.step);
  const WeightsId version{.stage = stage(), .version = commit.step + 1};
  // CheckCommit has found it in the store.
  WarnIfError(parts().weights->Commit(version));
  MakeVisible(version.version);
  parts().weights->DropBelow(
      {.stage = stage(),
       .version = SamplingVersion(version.version, plan().lag)});
}

}  // namespace aha::coordinator
