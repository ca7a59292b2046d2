// Holds the groups that were delivered to this rank until a step consumes them.
//
// Groups arrive in any order, perhaps twice, perhaps early; a step takes
// exactly its own groups, in slot order.  The buffer is bounded: it holds at
// most one group for each slot that this rank owns, for the current step and
// `lag` steps beyond.
//
//   closed --Open--> open(step) --Advance--> open(step + 1) ... --Close-->
//
// A group is checked in full before it is kept, since it comes from another
// process.  A second delivery of the same bits is OK, of other bits DATA_LOSS:
// two actors computed different results for the same group, which exact
// sampling excludes.
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

// What the groups of a stage must look like.
struct GroupRules {
  uint64_t epoch = 0;  // The coordinator's.
  uint32_t stage = 0;
  uint32_t rank = 0;
  uint32_t world_size = 1;
  uint32_t slots = 0;            // Of a step, over all ranks.
  uint32_t num_generations = 0;  // G
  uint64_t lag = 0;
  uint64_t steps = 0;  // Of the stage.
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

  // Accepts groups from `step` on.  Groups that are held stay if the rules are
  // those of the last Open: what a group contains is a function of its key,
  // whatever the epoch.
  void Open(const GroupRules& rules, uint64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // The current step is done: forgets its groups.
  void Advance(uint64_t step) ABSL_LOCKS_EXCLUDED(mutex_);
  // Refuses groups (UNAVAILABLE) until the next Open and ends Await (ABORTED).
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

  // Errors as in GroupSink.Deliver (rollout.proto).
  absl::Status Deliver(v1::ScoredGroup group) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for all groups of this rank for the current step; they stay in the
  // buffer until Advance.  `progress` is called every few seconds: the wait
  // goes on while its number changes or groups arrive, and an error of it ends
  // the wait.  DEADLINE_EXCEEDED: neither happened for `timeout`; the message
  // names the missing slots and the times.  ABORTED: the buffer was closed.
  absl::StatusOr<std::vector<const v1::ScoredGroup*>> Await(
      absl::Duration timeout,
      const std::function<absl::StatusOr<uint64_t>()>& progress = nullptr)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // "slots 3, 7 of step 5", or "" if no group is missing.
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
  GroupRules rules_ ABSL_GUARDED_BY(mutex_);  // Of the last Open.
  uint64_t step_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<uint64_t, uint32_t>, Held> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::learner
