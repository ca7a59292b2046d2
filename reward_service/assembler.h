// Groups on their way to being whole.
//
//   Open --> partial --(all trajectories scored)--> whole --Take--> out
//
// Invariants: a sample of a group is held once; a second copy is dropped if its
// bits are equal and DATA_LOSS if not.  A group leaves whole or not at all.
// bytes() counts what is held, whole groups included until Forget.
//
// Thread-compatible: callers lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/rollout.pb.h"
#include "job/ids.h"

namespace aha::reward {

using StreamId = uint64_t;

// A trajectory to score.  `incarnation` tells a group from an earlier one of
// the same key that was forgotten meanwhile.
struct Ticket {
  GroupId id;
  uint64_t incarnation = 0;
  uint32_t sample = 0;
};

// What is to be scored.
struct Question {
  std::string reference;
  std::string completion;
  bool truncated = false;  // Finish reason LENGTH.
};

struct Score {
  double reward = 0;
  std::vector<v1::RewardPart> parts;
};

// A whole group, to be delivered to its consumer.
struct WholeGroup {
  GroupId id;
  uint64_t incarnation = 0;
  uint64_t delivery = 0;  // Grows when a group changes its consumer.
  std::shared_ptr<const v1::DeliverRequest> message;
};

class Assembler {
 public:
  explicit Assembler(uint64_t max_group_bytes)
      : max_group_bytes_(max_group_bytes) {}

  // Announces a group on `stream`, or joins one that is here.  INVALID_ARGUMENT
  // if malformed; DATA_LOSS if it differs from what was announced before (the
  // consumer may change: a learner that was restarted).  A group that was whole
  // and now has another consumer comes back for delivery.
  absl::StatusOr<std::optional<WholeGroup>> Open(
      StreamId stream, const v1::GroupContext& context, absl::Time now);

  // Nothing if an equal one is here.  NOT_FOUND if the group is not here or
  // was not opened on this stream; INVALID_ARGUMENT if malformed or if the
  // group would grow beyond max_group_bytes; DATA_LOSS if a different one is
  // here.
  absl::StatusOr<std::optional<Ticket>> Add(StreamId stream, const GroupId& id,
                                            v1::Trajectory trajectory,
                                            absl::Time now);

  // Nothing if the ticket's group was forgotten.
  std::optional<Question> Get(const Ticket& ticket) const;

  // The whole group once its last score is here.
  std::optional<WholeGroup> SetScore(const Ticket& ticket, Score score);

  // Is this delivery still the group's current one?
  bool Current(const WholeGroup& group) const;

  // Removes the group and returns the streams that wait for its ack.
  std::vector<StreamId> Forget(const GroupId& id);
  void Disconnect(StreamId stream);

  // Which groups to give up: partial ones that nothing came for in `ttl`, also
  // those of a stream that lives (its actor has lost the lease, or will open
  // the group again), and beyond `max_bytes` the oldest partial ones without a
  // stream, then the newest partial ones with one (the oldest is nearest to
  // being whole, so one always stays and the table cannot jam).
  std::vector<GroupId> Overdue(absl::Time now, absl::Duration ttl) const;
  std::vector<GroupId> Excess(uint64_t max_bytes) const;
  std::vector<GroupId> OlderThanEpoch(uint64_t epoch) const;

  uint64_t bytes() const { return bytes_; }
  size_t size() const { return groups_.size(); }

 private:
  struct Group {
    uint64_t incarnation = 0;
    uint64_t delivery = 0;
    v1::GroupContext context;
    std::vector<std::optional<v1::ScoredTrajectory>> samples;
    std::vector<bool> scored;
    uint32_t missing = 0;  // Scores that are not here yet.
    uint64_t bytes = 0;
    std::vector<StreamId> streams;
    absl::Time touched;
    std::shared_ptr<const v1::DeliverRequest> whole;
  };

  static absl::Status SameGroup(const v1::GroupContext& before,
                                const v1::GroupContext& now);
  Group* Find(const Ticket& ticket);
  const Group* Find(const Ticket& ticket) const;
  static WholeGroup Close(const GroupId& id, Group& group);

  const uint64_t max_group_bytes_;
  absl::flat_hash_map<GroupId, Group> groups_;
  uint64_t next_incarnation_ = 1;
  uint64_t bytes_ = 0;
};

}  // namespace aha::reward
