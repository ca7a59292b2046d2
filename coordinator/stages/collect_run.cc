#include "coordinator/stages/collect_run.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/scored_group.h"

namespace aha::coordinator {
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
    AHA_RETURN_IF_ERROR(
        CheckScored(group, i, parts().plan->job.rewards_size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> CollectRun::Deliver(const v1::ScoredGroup& group) {
  AHA_RETURN_IF_ERROR(Check(group));
  const uint32_t slot = group.context().key().slot();
  if (slot < skipped_) return false;
  const Hash128 digest = DigestOf(group);
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
