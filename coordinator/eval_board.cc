#include "coordinator/eval_board.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::coordinator {
namespace {

absl::Status Check(const v1::ScoredGroup& group, uint32_t stage,
                   const StagePlan& plan) {
  const v1::GroupKey& key = group.context().key();
  if (key.stage() != stage || key.step() != 0 || key.slot() >= plan.groups) {
    return absl::InvalidArgumentError(absl::StrCat(
        "key: stage ", key.stage(), " step ", key.step(), " slot ", key.slot(),
        " is no group of eval stage ", stage, " (", plan.groups, " prompts)"));
  }
  if (group.trajectories_size() != static_cast<int>(plan.num_generations)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "trajectories: slot ", key.slot(), " must have ", plan.num_generations,
        ", got ", group.trajectories_size()));
  }
  for (int i = 0; i < group.trajectories_size(); ++i) {
    const v1::ScoredTrajectory& scored = group.trajectories(i);
    const v1::Trajectory& trajectory = scored.trajectory();
    if (trajectory.sample() != static_cast<uint32_t>(i)) {
      return absl::InvalidArgumentError(
          absl::StrCat("trajectories: slot ", key.slot(), " has sample ",
                       trajectory.sample(), " in place of ", i));
    }
    if (scored.parts().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parts: slot ", key.slot(), " sample ", i, " was not scored"));
    }
    if (trajectory.logprobs().size() !=
        sizeof(float) * static_cast<size_t>(trajectory.token_ids_size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("logprobs: slot ", key.slot(), " sample ", i,
                       " must have 4 bytes a token"));
    }
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

EvalBoard::EvalBoard(uint32_t stage, const StagePlan& plan)
    : stage_(stage), plan_(plan) {}

absl::Status EvalBoard::Add(const v1::ScoredGroup& group) {
  AHA_RETURN_IF_ERROR(Check(group, stage_, plan_));
  Tally tally{.digest = Digest(group)};
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    tally.right += scored.parts(0).value() >= 1;
    tally.tokens += static_cast<uint64_t>(scored.trajectory().token_ids_size());
    ++tally.completions;
  }
  const uint32_t slot = group.context().key().slot();
  const auto [it, added] = groups_.try_emplace(slot, tally);
  if (added || it->second.digest == tally.digest) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("eval stage ", stage_, " slot ", slot,
                   " was delivered before with other bits"));
}

EvalResult EvalBoard::Result() const {
  uint64_t right = 0, completions = 0;
  EvalResult result{.prompts = groups_.size()};
  for (const auto& [slot, tally] : groups_) {
    right += tally.right;
    completions += tally.completions;
    result.tokens += tally.tokens;
  }
  if (completions == 0) return result;
  const auto all = static_cast<double>(completions);
  result.pass_at_1 = static_cast<double>(right) / all;
  result.mean_completion_length = static_cast<double>(result.tokens) / all;
  return result;
}

}  // namespace aha::coordinator
