// The assembler collects the trajectories of groups and their scores until each
// group is whole.
//
//   1. Open announces a group on a stream.
//   2. Add takes a trajectory and returns the ticket for scoring it.
//   3. SetScore stores a score; the last one returns the whole group, ready for
//      delivery.
//   4. Forget removes the group, delivered or given up.
//
// Invariants: a sample of a group is held once; a second copy is dropped if its
// bits are equal and is DATA_LOSS if not.  A group leaves whole or not at all.
// bytes() counts what is held, whole groups included until Forget.
//
// Thread-compatible: callers lock.
#pragma once

#include <cstdint>
#include <map>
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

// A trajectory that is to be scored.  `incarnation` tells its group from an
// earlier one of the same key that was forgotten meanwhile.
struct Ticket {
  GroupId id;
  uint64_t incarnation = 0;
  uint32_t sample = 0;
};

// A completion to score, with what is known of its prompt.
struct Completion {
  std::string prompt;
  std::string reference;
  std::map<std::string, std::string> fields = {};
  // What the model said: the completion behind the context's opening.
  std::string text;
  bool truncated = false;  // Finish reason LENGTH.
  std::vector<int32_t> token_ids = {};
  std::vector<v1::PromptTurn> turns = {};  // Empty unless a conversation.
  GroupId group = {};
  uint32_t sample = 0;
};

struct Score {
  double reward = 0;
  std::vector<v1::RewardPart> parts;
};

// A whole group, ready to be delivered to its consumer.
struct WholeGroup {
  GroupId id;
  uint64_t incarnation = 0;
  uint64_t delivery = 0;  // Increases when the group changes its consumer.
  std::shared_ptr<const v1::DeliverRequest> message;
};

class Assembler {
 public:
  explicit Assembler(uint64_t max_group_bytes)
      : max_group_bytes_(max_group_bytes) {}

  // Announces a group on `stream`, or adds the stream to a group that is here.
  // Returns the group for delivery if it was whole and now has another
  // consumer. INVALID_ARGUMENT if malformed; DATA_LOSS if it differs from what
  // was announced before, except for the consumer: a learner may have
  // restarted.
  absl::StatusOr<std::optional<WholeGroup>> Open(
      StreamId stream, const v1::GroupContext& context, absl::Time now);

  // Takes a trajectory and returns its ticket; nothing if an equal one is here.
  // NOT_FOUND if the group is not here or was not opened on this stream;
  // INVALID_ARGUMENT if malformed or if the group would grow beyond
  // max_group_bytes; DATA_LOSS if a different one is here.
  absl::StatusOr<std::optional<Ticket>> Add(StreamId stream, const GroupId& id,
                                            v1::Trajectory trajectory,
                                            absl::Time now);

  // The ticket's completion; nothing if its group was forgotten.
  std::optional<Completion> Get(const Ticket& ticket) const;

  // Stores a score.  Returns the whole group if it was the last one.
  std::optional<WholeGroup> SetScore(const Ticket& ticket, Score score);

  // Whether this delivery is still the group's current one.
  bool Current(const WholeGroup& group) const;

  // Removes the group and returns the streams that wait for its ack.
  std::vector<StreamId> Forget(const GroupId& id);
  // Removes the stream from all groups; they stay.
  void Disconnect(StreamId stream);

  // The partial groups for which nothing came in `ttl`.  Groups of a stream
  // that is still connected are among them: its actor has lost the lease, or
  // will open the group again.
  std::vector<GroupId> Overdue(absl::Time now, absl::Duration ttl) const;
  // The partial groups to give up so that at most `max_bytes` are held: first
  // those without a stream, from the oldest on, then those with one, from the
  // newest on.  The oldest group with a stream is nearest to being whole and
  // never among them, so the table cannot jam.
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
    uint32_t missing = 0;  // The number of scores that are not here yet.
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
