#include "actor/trajectory.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/ids.h"

namespace aha::actor {
namespace {

SamplingParams ToParams(const v1::SamplingSpec& spec) {
  return {.temperature = static_cast<float>(spec.temperature()),
          .top_p = static_cast<float>(spec.top_p()),
          .top_k = static_cast<int32_t>(spec.top_k()),
          .max_new_tokens = static_cast<int32_t>(spec.max_completion_length())};
}

absl::Status Broken(const v1::Lease& lease, absl::string_view what,
                    absl::AlphaNum value) {
  return absl::InvalidArgumentError(
      absl::StrCat("lease ", lease.lease_id(), ": ", what, ", got ", value));
}

}  // namespace

absl::Status ValidateLease(const v1::Lease& lease) {
  const v1::GroupContext& group = lease.group();
  if (!group.has_key() || !group.has_policy()) {
    return Broken(lease, "group must have key and policy",
                  group.ShortDebugString().substr(0, 200));
  }
  if (group.num_generations() < 1 ||
      group.num_generations() > kMaxGenerations) {
    return Broken(
        lease, absl::StrCat("num_generations must be 1 to ", kMaxGenerations),
        group.num_generations());
  }
  if (lease.reward_address().empty()) {
    return Broken(lease, "reward_address must be host:port", "none");
  }
  return ToParams(lease.sampling()).Validate();
}

EngineGroup ToEngineGroup(const v1::Lease& lease, uint64_t ticket,
                          uint64_t seed) {
  const v1::GroupContext& group = lease.group();
  EngineGroup result;
  result.id = GroupId::Of(group.key());
  result.policy = WeightsId::Of(group.policy());
  result.request.id = ticket;
  result.request.key = {.seed = seed,
                        .stage = result.id.stage,
                        .step = result.id.step,
                        .slot = result.id.slot};
  result.request.prompt.assign(group.prompt_token_ids().begin(),
                               group.prompt_token_ids().end());
  result.request.num_samples = static_cast<int32_t>(group.num_generations());
  result.request.sampling = ToParams(lease.sampling());
  return result;
}

v1::Trajectory ToTrajectory(const Sample& sample, std::string completion) {
  static_assert(std::endian::native == std::endian::little,
                "logprobs travel little-endian");
  v1::Trajectory trajectory;
  trajectory.set_sample(static_cast<uint32_t>(sample.index));
  trajectory.mutable_token_ids()->Assign(sample.tokens.begin(),
                                         sample.tokens.end());
  trajectory.set_logprobs(sample.logprobs.data(), 4 * sample.logprobs.size());
  trajectory.set_finish_reason(sample.finish_reason == FinishReason::kStop
                                   ? v1::FINISH_REASON_STOP
                                   : v1::FINISH_REASON_LENGTH);
  trajectory.set_completion(std::move(completion));
  return trajectory;
}

}  // namespace aha::actor
