#include "job/scored_group.h"

#include <cmath>
#include <cstring>

#include "absl/types/span.h"
#include "base/status.h"
#include "rl/checksum.h"

namespace aha {
namespace {

absl::Status CheckLogProbs(const v1::ScoredGroup& group,
                           const v1::Trajectory& trajectory) {
  const size_t bytes =
      static_cast<size_t>(trajectory.token_ids_size()) * sizeof(float);
  if (trajectory.logprobs().size() != bytes) {
    return InvalidGroup(group, "trajectories.logprobs",
                        absl::StrCat(bytes, " bytes long"),
                        trajectory.logprobs().size());
  }
  for (const float logprob : LogProbsOf(trajectory)) {
    if (!std::isfinite(logprob) || logprob > 0) {
      return InvalidGroup(group, "trajectories.logprobs",
                          "finite and at most 0", logprob);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRewards(const v1::ScoredGroup& group,
                          const v1::ScoredTrajectory& scored, int rewards) {
  if (!std::isfinite(scored.reward())) {
    return InvalidGroup(group, "trajectories.reward", "finite",
                        scored.reward());
  }
  if (scored.parts_size() != rewards) {
    return InvalidGroup(group, "number of trajectories.parts", rewards,
                        scored.parts_size());
  }
  for (const v1::RewardPart& part : scored.parts()) {
    if (!std::isfinite(part.value())) {
      return InvalidGroup(group, "trajectories.parts.value", "finite",
                          part.value());
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<float> LogProbsOf(const v1::Trajectory& trajectory) {
  const std::string& bytes = trajectory.logprobs();
  std::vector<float> logprobs(bytes.size() / sizeof(float));
  if (!logprobs.empty()) {
    std::memcpy(logprobs.data(), bytes.data(), logprobs.size() * sizeof(float));
  }
  return logprobs;
}

std::string FinishReasonText(const v1::Trajectory& trajectory) {
  return trajectory.finish_reason() == v1::FINISH_REASON_STOP ? "stop"
                                                              : "length";
}

Hash128 DigestOf(const v1::ScoredGroup& group) {
  std::vector<std::vector<float>> logprobs;
  std::vector<TrajectoryRecord> records;
  logprobs.reserve(static_cast<size_t>(group.trajectories_size()));
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    const v1::Trajectory& trajectory = scored.trajectory();
    logprobs.push_back(LogProbsOf(trajectory));
    records.push_back(
        {.token_ids = absl::MakeConstSpan(
             trajectory.token_ids().data(),
             static_cast<size_t>(trajectory.token_ids_size())),
         .logprobs = logprobs.back(),
         .reward = scored.reward(),
         .finish_reason = static_cast<uint32_t>(trajectory.finish_reason())});
  }
  const v1::GroupKey& key = group.context().key();
  return GroupDigest(
      {.stage = key.stage(), .step = key.step(), .slot = key.slot()}, records);
}

std::string NameOf(const v1::GroupKey& key) {
  return absl::StrCat("group (stage ", key.stage(), ", step ", key.step(),
                      ", slot ", key.slot(), ")");
}

absl::Status InvalidGroup(const v1::ScoredGroup& group, absl::string_view field,
                          absl::AlphaNum rule, absl::AlphaNum value) {
  return absl::InvalidArgumentError(absl::StrCat(NameOf(group.context().key()),
                                                 ": ", field, " must be ", rule,
                                                 ", is ", value));
}

absl::Status CheckScored(const v1::ScoredGroup& group, int index, int rewards) {
  const v1::ScoredTrajectory& scored = group.trajectories(index);
  const v1::Trajectory& trajectory = scored.trajectory();
  if (trajectory.sample() != static_cast<uint32_t>(index)) {
    return InvalidGroup(group, "trajectories.sample", index,
                        trajectory.sample());
  }
  if (trajectory.token_ids().empty()) {
    return InvalidGroup(group, "number of trajectories.token_ids", "at least 1",
                        0);
  }
  if (trajectory.finish_reason() != v1::FINISH_REASON_STOP &&
      trajectory.finish_reason() != v1::FINISH_REASON_LENGTH) {
    return InvalidGroup(group, "trajectories.finish_reason", "STOP or LENGTH",
                        static_cast<int>(trajectory.finish_reason()));
  }
  AHA_RETURN_IF_ERROR(CheckLogProbs(group, trajectory));
  return CheckRewards(group, scored, rewards);
}

}  // namespace aha
