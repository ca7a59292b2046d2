// Holds the groups that were delivered to this rank and that no step has
// consumed yet.
//
// Groups arrive in any order, perhaps twice, perhaps early; a step takes
// exactly its own, in slot order.  The memory is bounded: one group for each
// slot that this rank owns, for the current step and `lag` steps beyond.
//
//   closed --Open--> open(step) --Advance--> open(step + 1) ... --Close-->
//
// A group is validated completely before it is kept.  A second delivery of the
// same bits is OK; of other bits it is DATA_LOSS, because two actors computed
// different results for one group.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/rollout.pb.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"

namespace aha::learner {

// What groups must look like.
struct GroupRules {
  uint64_t epoch = 0;  // The coordinator's.
  uint32_t stage = 0;
  uint32_t rank = 0;
  uint32_t world_size = 1;
  uint32_t slots = 0;            // Groups of a step, over all ranks.
  uint32_t num_generations = 0;  // G
  uint64_t lag = 0;
  uint64_t steps = 0;  // Steps of the stage.
  int32_t vocab_size = 0;
  int64_t max_prompt_length = 0;
  int64_t max_completion_length = 0;
  int64_t max_sequence_length = 0;  // max_position_embeddings.
  int reward_parts = 0;

  friend bool operator==(const GroupRules&, const GroupRules&) = default;
};

// INVALID_ARGUMENT naming the group, the field, the rule and the value.  Does
// not look at step and epoch.
absl::Status CheckGroup(const GroupRules& rules, const v1::ScoredGroup& group);

class GroupBuffer {
 public:
  explicit GroupBuffer(Clock clock, absl::Duration ask_every = absl::Seconds(5))
      : clock_(std::move(clock)), ask_every_(ask_every) {}

  // Takes groups from `step` on.  What is held stays if the rules are those
  // of the last Open: content is a function of the key, whatever the epoch.
  void Open(const GroupRules& rules, uint64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // The current step is done: its groups are forgotten.
  void Advance(uint64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes nothing (UNAVAILABLE) until the next Open; wakes Await (ABORTED).
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

  // Errors as in GroupSink.Deliver (rollout.proto).
  absl::Status Deliver(v1::ScoredGroup group) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for all of this rank's groups of the current step; they stay here
  // until Advance.  `progress` is asked every few seconds: while its number
  // changes or groups come, the wait continues; its error ends it.
  // DEADLINE_EXCEEDED: nothing moved for `timeout`; names the slots that did
  // not come, and the times.  ABORTED: closed meanwhile.
  absl::StatusOr<std::vector<const v1::ScoredGroup*>> Await(
      absl::Duration timeout,
      const std::function<absl::StatusOr<uint64_t>()>& progress = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // "slots 3, 7 of step 5", or "" if nothing is missing: for heartbeats.
  std::string Missing() const ABSL_LOCKS_EXCLUDED(mutex_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Held {
    v1::ScoredGroup group;
    Hash128 digest;
  };

  absl::Status CheckPlace(const v1::GroupContext& context) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<uint32_t> MissingSlots() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The groups of the current step that are here.
  std::vector<const v1::ScoredGroup*> Current() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock clock_;
  const absl::Duration ask_every_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  GroupRules rules_ ABSL_GUARDED_BY(mutex_);  // What the last Open set.
  uint64_t step_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<uint64_t, uint32_t>, Held> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::learner
