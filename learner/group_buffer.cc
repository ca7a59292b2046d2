#include "learner/group_buffer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "job/scored_group.h"
#include "rl/schedule.h"

namespace aha::learner {
namespace {

absl::Status CheckIds(const GroupRules& rules, const v1::ScoredGroup& group,
                      absl::string_view field,
                      const google::protobuf::RepeatedField<int32_t>& ids,
                      int64_t most) {
  if (ids.empty() || ids.size() > most) {
    return InvalidGroup(group, absl::StrCat("number of ", field),
                        absl::StrCat("from 1 to ", most), ids.size());
  }
  for (const int32_t id : ids) {
    if (id < 0 || id >= rules.vocab_size) {
      return InvalidGroup(group, field,
                          absl::StrCat("from 0 to ", rules.vocab_size - 1), id);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTrajectory(const GroupRules& rules,
                             const v1::ScoredGroup& group, int index) {
  const v1::Trajectory& trajectory = group.trajectories(index).trajectory();
  AHA_RETURN_IF_ERROR(CheckIds(rules, group, "trajectories.token_ids",
                               trajectory.token_ids(),
                               rules.max_completion_length));
  const int64_t length = int64_t{group.context().prompt_token_ids_size()} +
                         trajectory.token_ids_size();
  if (length > rules.max_sequence_length) {
    return InvalidGroup(group, "length of prompt and completion",
                        absl::StrCat("at most ", rules.max_sequence_length),
                        length);
  }
  return CheckScored(group, index, rules.reward_parts);
}

// The digest of what a second delivery must repeat.
Hash128 DeliveryDigest(const v1::ScoredGroup& group) {
  Hasher hasher;
  hasher.U64(static_cast<uint64_t>(group.context().prompt_token_ids_size()));
  for (const int32_t id : group.context().prompt_token_ids()) {
    hasher.U64(static_cast<uint64_t>(id));
  }
  hasher.Hash(DigestOf(group));
  return hasher.Finish();
}

}  // namespace

absl::Status CheckGroup(const GroupRules& rules, const v1::ScoredGroup& group) {
  const v1::GroupContext& context = group.context();
  const v1::GroupKey& key = context.key();
  if (!context.has_key())
    return InvalidGroup(group, "context.key", "set", "not");
  if (key.slot() >= rules.slots) {
    return InvalidGroup(group, "context.key.slot",
                        absl::StrCat("below ", rules.slots), key.slot());
  }
  if (const uint32_t owner = OwnerRank(key.slot(), rules.world_size);
      owner != rules.rank) {
    return InvalidGroup(group, "context.consumer",
                        absl::StrCat("learner rank ", owner),
                        absl::StrCat("rank ", rules.rank));
  }
  const uint64_t version = SamplingVersion(key.step(), rules.lag);
  if (context.policy().stage() != key.stage() ||
      context.policy().version() != version) {
    return InvalidGroup(
        group, "context.policy",
        absl::StrCat("version ", version, " of stage ", key.stage()),
        absl::StrCat("version ", context.policy().version(), " of stage ",
                     context.policy().stage()));
  }
  const auto wanted = static_cast<int64_t>(rules.num_generations);
  if (context.num_generations() != wanted) {
    return InvalidGroup(group, "context.num_generations", wanted,
                        context.num_generations());
  }
  if (group.trajectories_size() != wanted) {
    return InvalidGroup(group, "number of trajectories", wanted,
                        group.trajectories_size());
  }
  AHA_RETURN_IF_ERROR(CheckIds(rules, group, "context.prompt_token_ids",
                               context.prompt_token_ids(),
                               rules.max_prompt_length));
  for (int i = 0; i < group.trajectories_size(); ++i) {
    AHA_RETURN_IF_ERROR(CheckTrajectory(rules, group, i));
  }
  return absl::OkStatus();
}

void GroupBuffer::Open(const GroupRules& rules, uint64_t step) {
  MutexLock lock(mutex_);
  GroupRules before = rules_;
  before.epoch = rules.epoch;
  if (before != rules) held_.clear();
  rules_ = rules;
  step_ = step;
  open_ = true;
  held_.erase(held_.begin(), held_.lower_bound({step, 0}));
  changed_.NotifyAll();
}

void GroupBuffer::Advance(uint64_t step) {
  MutexLock lock(mutex_);
  step_ = step;
  held_.erase(held_.begin(), held_.lower_bound({step, 0}));
}

void GroupBuffer::Close() {
  MutexLock lock(mutex_);
  open_ = false;
  changed_.NotifyAll();
}

absl::Status GroupBuffer::CheckPlace(const v1::GroupContext& context) const {
  const v1::GroupKey& key = context.key();
  if (!open_) {
    return absl::UnavailableError(
        absl::StrCat(NameOf(key), ": this learner is between two stages"));
  }
  if (context.epoch() > rules_.epoch) {
    return absl::UnavailableError(
        absl::StrCat(NameOf(key), ": of epoch ", context.epoch(),
                     ", this learner is still in epoch ", rules_.epoch));
  }
  if (context.epoch() < rules_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameOf(key), ": context.epoch must be ", rules_.epoch,
                     ", is ", context.epoch()));
  }
  // Below the current stage or step: over.  Above: the learner is behind.
  if (key.stage() < rules_.stage ||
      (key.stage() == rules_.stage &&
       (key.step() < step_ || key.step() >= rules_.steps))) {
    return absl::FailedPreconditionError(
        absl::StrCat(NameOf(key), ": is over, stage ", rules_.stage,
                     " is at step ", step_, " of ", rules_.steps));
  }
  if (key.stage() > rules_.stage || key.step() > step_ + rules_.lag) {
    return absl::UnavailableError(
        absl::StrCat(NameOf(key), ": too early, stage ", rules_.stage,
                     " is at step ", step_));
  }
  return absl::OkStatus();
}

absl::Status GroupBuffer::Deliver(v1::ScoredGroup group) {
  GroupRules rules;
  {
    MutexLock lock(mutex_);
    AHA_RETURN_IF_ERROR(CheckPlace(group.context()));
    rules = rules_;
  }
  // Hashing and checking take time and need no lock.
  AHA_RETURN_IF_ERROR(CheckGroup(rules, group));
  const Hash128 digest = DeliveryDigest(group);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(CheckPlace(group.context()));
  const v1::GroupKey key = group.context().key();
  const auto [held, added] =
      held_.try_emplace({key.step(), key.slot()}, Held{{}, digest});
  if (!added) {
    if (held->second.digest == digest) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(NameOf(key), ": differs from an earlier delivery (",
                     digest.Hex(), " against ", held->second.digest.Hex(),
                     "): two actors computed different things"));
  }
  held->second.group = std::move(group);
  changed_.NotifyAll();
  return absl::OkStatus();
}

std::vector<uint32_t> GroupBuffer::MissingSlots() const {
  std::vector<uint32_t> missing;
  if (!open_) return missing;
  for (uint32_t slot = rules_.rank; slot < rules_.slots;
       slot += rules_.world_size) {
    if (!held_.contains({step_, slot})) missing.push_back(slot);
  }
  return missing;
}

absl::StatusOr<std::vector<const v1::ScoredGroup*>> GroupBuffer::Await(
    absl::Duration timeout,
    const std::function<absl::StatusOr<uint64_t>()>& progress) {
  const absl::Time start = clock_();
  absl::Time moved = start;
  // Several times before the wait is over, however short it is.
  const absl::Duration ask_every = std::min(ask_every_, timeout / 4);
  std::pair<size_t, uint64_t> before;  // Missing groups, the cluster's number.
  while (true) {
    {
      MutexLock lock(mutex_);
      const absl::Time deadline = moved + timeout;
      const absl::Time pause =
          progress ? std::min(deadline, clock_() + ask_every) : deadline;
      absl::Duration left = pause - clock_();
      while (open_ && !MissingSlots().empty() && left > absl::ZeroDuration()) {
        changed_.WaitFor(mutex_, left);
        left = pause - clock_();
      }
      if (!open_) return absl::AbortedError("the group buffer was closed");
      if (MissingSlots().empty()) return Current();
      if (clock_() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat(
            "step ", step_, ": rank ", rules_.rank, " waited ",
            absl::FormatDuration(clock_() - start), " for the groups of slots ",
            absl::StrJoin(MissingSlots(), ", "), "; nothing moved for ",
            absl::FormatDuration(timeout)));
      }
    }
    std::pair<size_t, uint64_t> now = before;
    if (progress) {
      AHA_ASSIGN_OR_RETURN(now.second, progress());
    }
    MutexLock lock(mutex_);
    now.first = MissingSlots().size();
    if (std::exchange(before, now) != now) moved = clock_();
  }
}

std::vector<const v1::ScoredGroup*> GroupBuffer::Current() const {
  std::vector<const v1::ScoredGroup*> groups;
  for (auto it = held_.lower_bound({step_, 0});
       it != held_.end() && it->first.first == step_; ++it) {
    groups.push_back(&it->second.group);
  }
  return groups;
}

std::string GroupBuffer::Missing() const {
  MutexLock lock(mutex_);
  const std::vector<uint32_t> missing = MissingSlots();
  if (missing.empty()) return "";
  return absl::StrCat("slots ", absl::StrJoin(missing, ", "), " of step ",
                      step_);
}

size_t GroupBuffer::size() const {
  MutexLock lock(mutex_);
  return held_.size();
}

}  // namespace aha::learner
