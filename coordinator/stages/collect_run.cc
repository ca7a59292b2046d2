#include "coordinator/stages/collect_run.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::coordinator {
namespace {

// `rewards` is the number of rewards of the job: a job that only samples may
// have none.
absl::Status CheckTrajectory(const v1::ScoredTrajectory& scored, uint32_t slot,
                             int sample, int rewards) {
  const v1::Trajectory& trajectory = scored.trajectory();
  const std::string where = absl::StrCat("slot ", slot, " sample ", sample);
  if (trajectory.sample() != static_cast<uint32_t>(sample)) {
    return absl::InvalidArgumentError(
        absl::StrCat("trajectories: slot ", slot, " has sample ",
                     trajectory.sample(), " in place of ", sample));
  }
  if (scored.parts_size() != rewards) {
    return absl::InvalidArgumentError(
        absl::StrCat("parts: ", where, " must have one for each reward (",
                     rewards, "), has ", scored.parts_size()));
  }
  if (trajectory.logprobs().size() !=
      sizeof(float) * static_cast<size_t>(trajectory.token_ids_size())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "logprobs: ", where, " must have 4 bytes for each token, has ",
        trajectory.logprobs().size(), " for ", trajectory.token_ids_size(),
        " tokens"));
  }
  return absl::OkStatus();
}

Hash128 Digest(const v1::ScoredGroup& group) {
  Hasher hasher;
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    const v1::Trajectory& trajectory = scored.trajectory();
    hasher.U64(static_cast<uint64_t>(trajectory.token_ids_size()));
    for (const int32_t token : trajectory.token_ids()) {
      hasher.U64(static_cast<uint64_t>(token));
    }
    hasher.String(trajectory.logprobs());
    hasher.U64(static_cast<uint64_t>(trajectory.finish_reason()));
    hasher.U64(std::bit_cast<uint64_t>(scored.reward()));
  }
  return hasher.Finish();
}

}  // namespace

absl::Status CollectRun::Check(const v1::ScoredGroup& group) const {
  const v1::GroupKey& key = group.context().key();
  if (key.stage() != stage() || key.step() != 0 ||
      key.slot() >= plan().groups) {
    return absl::InvalidArgumentError(
        absl::StrCat("key: stage ", key.stage(), " step ", key.step(), " slot ",
                     key.slot(), " is not a group of ", Name(), ", which has ",
                     plan().groups, " prompts"));
  }
  if (group.trajectories_size() != static_cast<int>(plan().num_generations)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "trajectories: slot ", key.slot(), " must have ",
        plan().num_generations, ", got ", group.trajectories_size()));
  }
  for (int i = 0; i < group.trajectories_size(); ++i) {
    AHA_RETURN_IF_ERROR(CheckTrajectory(group.trajectories(i), key.slot(), i,
                                        parts().plan->job.rewards_size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CollectRun::Deliver(const v1::ScoredGroup& group) {
  AHA_RETURN_IF_ERROR(Check(group));
  const uint32_t slot = group.context().key().slot();
  if (slot < skipped_) return false;
  const Hash128 digest = Digest(group);
  const auto [known, added] = digests_.try_emplace(slot, digest);
  if (!added && known->second != digest) {
    return absl::DataLossError(absl::StrCat(
        Name(), " slot ", slot, " was delivered before with other bits"));
  }
  ledger()->Deliver(0, slot);
  if (!added) return false;
  ++collected_;
  Take(group);
  return true;
}

void CollectRun::SkipSlots(uint32_t slots) {
  skipped_ = slots;
  collected_ = slots;
  for (uint32_t slot = 0; slot < slots; ++slot) ledger()->Deliver(0, slot);
}

}  // namespace aha::coordinator
