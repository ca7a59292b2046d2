// Well-formed messages for the tests of the reward service and the actor.
#pragma once

#include <string>

#include "aha/v1/reward.pb.h"
#include "aha/v1/rollout.pb.h"

namespace aha::reward {

inline v1::GroupKey Key(uint32_t slot) {
  v1::GroupKey key;
  key.set_stage(0);
  key.set_step(3);
  key.set_slot(slot);
  return key;
}

inline v1::GroupContext Context(uint32_t slot, uint32_t generations,
                                const std::string& consumer = "consumer:1") {
  v1::GroupContext context;
  *context.mutable_key() = Key(slot);
  context.mutable_policy()->set_version(2);
  context.set_prompt_id("p");
  context.set_prompt("1+1=");
  context.set_reference("2");
  context.add_prompt_token_ids(5);
  context.set_num_generations(generations);
  context.set_consumer(consumer);
  context.set_epoch(7);
  return context;
}

inline void AddField(v1::GroupContext& context, const std::string& name,
                     const std::string& value) {
  v1::PromptField& field = *context.add_fields();
  field.set_name(name);
  field.set_value(value);
}

inline v1::Trajectory TrajectoryOf(uint32_t sample,
                                   const std::string& completion = "2") {
  v1::Trajectory trajectory;
  trajectory.set_sample(sample);
  trajectory.add_token_ids(4);
  trajectory.add_token_ids(1);
  const float logprobs[2] = {-0.5f, -0.25f};
  trajectory.set_logprobs(logprobs, sizeof(logprobs));
  trajectory.set_finish_reason(v1::FINISH_REASON_STOP);
  trajectory.set_completion(completion);
  return trajectory;
}

inline v1::SubmitRequest OpenRequest(const v1::GroupContext& context) {
  v1::SubmitRequest request;
  *request.mutable_open() = context;
  return request;
}

inline v1::SubmitRequest TrajectoryRequest(const v1::GroupKey& key,
                                           const v1::Trajectory& trajectory) {
  v1::SubmitRequest request;
  *request.mutable_trajectory()->mutable_key() = key;
  *request.mutable_trajectory()->mutable_trajectory() = trajectory;
  return request;
}

}  // namespace aha::reward
