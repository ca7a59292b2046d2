// Fuzzes what the reward service may send to a learner: any sequence of groups,
// while the learner's steps advance.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/time/clock.h"
#include "aha/v1/rollout.pb.h"
#include "job/scored_group.h"
#include "learner/group_buffer.h"
#include "learner/trajectory.h"
#include "tests/fuzz/messages.h"

namespace {

aha::learner::GroupRules Rules() {
  return {.epoch = 1,
          .stage = 0,
          .rank = 0,
          .world_size = 1,
          .slots = 2,
          .num_generations = 2,
          .lag = 1,
          .steps = 8,
          .vocab_size = 16,
          .max_prompt_length = 4,
          .max_completion_length = 4,
          .max_sequence_length = 8,
          .reward_parts = 1};
}

// Reads what a step reads of an accepted group.
void Consume(const aha::v1::ScoredGroup& group) {
  (void)aha::DigestOf(group);
  for (const auto& scored : group.trajectories()) {
    const auto sequence =
        aha::learner::SequenceOf(group.context(), scored.trajectory());
    if (sequence.tokens.size() > 8) std::abort();
    (void)aha::learner::MakeRolloutLine(group.context(), "", scored, 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aha::fuzz::Messages messages(data, size);
  aha::learner::GroupBuffer buffer(&absl::Now);
  uint64_t step = 0;
  buffer.Open(Rules(), step);
  while (messages.Next()) {
    if (messages.kind() % 8 == 7) {
      buffer.Advance(++step);
    } else {
      (void)buffer.Deliver(messages.As<aha::v1::DeliverRequest>().group());
    }
    if (buffer.size() > 2 * 2) std::abort();  // Slots x (1 + lag).
    const auto groups = buffer.Await(absl::ZeroDuration());
    if (!groups.ok()) continue;
    for (const aha::v1::ScoredGroup* group : *groups) Consume(*group);
  }
  return 0;
}
