// The groups this actor holds, from the lease to the acknowledgement, and what
// of them each reward replica still has to be sent.
//
//   Add --> sampling/sending --(ack OK)--> Acknowledge --> Drop
//             ^        |
//             +-Resend-+   the replica died, or could not take it
//
// Invariants: a group is held until it is dropped, so its lease is renewed
// until it is completed.  A trajectory is kept until its group is acknowledged,
// so it can be sent again.  Messages of a group go to one replica at a time,
// `open` first.  Tickets never repeat, lease ids do (after the coordinator
// restarted): what the engine makes is filed by ticket.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "aha/v1/reward.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "job/ids.h"

namespace aha::actor {

class LeaseBook {
 public:
  explicit LeaseBook(Clock clock) : clock_(std::move(clock)) {}

  struct Added {
    uint64_t ticket = 0;
    std::optional<uint64_t> replaced;  // Of an earlier lease of this group.
  };
  // `replica` is the address to send to first.
  Added Add(uint64_t lease, v1::GroupContext context,
            const std::string& replica) ABSL_LOCKS_EXCLUDED(mutex_);
  // False if the group is not held any more.
  bool AddTrajectory(uint64_t ticket, v1::Trajectory trajectory)
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<uint64_t> leases() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<uint64_t> LeaseOf(const GroupId& group) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The consumer has it; its trajectories are not needed any more.
  void Acknowledge(const GroupId& group) ABSL_LOCKS_EXCLUDED(mutex_);
  // Its ticket, if it was held.
  std::optional<uint64_t> Drop(uint64_t lease) ABSL_LOCKS_EXCLUDED(mutex_);
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);
  bool empty() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Bytes of trajectories that no consumer has yet.
  uint64_t unacknowledged_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t unacknowledged_trajectories() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The next message for `replica`, by order of groups; marked as sent.
  // Nothing after `timeout`, or once wakes() is no longer `wakes`.
  std::optional<v1::SubmitRequest> Next(const std::string& replica,
                                        absl::Duration timeout, uint64_t wakes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Replicas that something waits to be sent to.
  std::vector<std::string> ReplicasWithWork() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork(const std::string& replica) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until HasWork; false as Next gives nothing.
  bool WaitForWork(const std::string& replica, absl::Duration timeout,
                   uint64_t wakes) ABSL_LOCKS_EXCLUDED(mutex_);
  // Read it before the condition that Wake announces.
  uint64_t wakes() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  // The stream to `replica` broke: all its groups are sent again, to one of
  // `living` (to `replica` itself if there is no other).
  void Resend(const std::string& replica,
              const std::vector<std::string>& living)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `from` could not take one group: it is sent again to `to`, not before
  // `delay` is over.  Nothing happens if the group is no longer `from`'s.
  void ResendLater(const GroupId& group, const std::string& from,
                   const std::string& to, absl::Duration delay)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // How often this group was sent again by ResendLater, and since when.
  struct Attempts {
    int count = 0;
    absl::Duration since;  // The first.
  };
  Attempts attempts(const GroupId& group) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Held {
    uint64_t lease = 0;
    uint64_t ticket = 0;
    std::string replica;
    v1::GroupContext context;
    bool acknowledged = false;
    bool opened = false;  // `open` was sent to `replica`.
    size_t sent = 0;      // The first so many trajectories were.
    std::vector<v1::Trajectory> trajectories;
    uint64_t bytes = 0;
    absl::Time not_before;
    int attempts = 0;
    absl::Time first_attempt;
  };

  static bool HasWork(const Held& held) {
    return !held.acknowledged &&
           (!held.opened || held.sent < held.trajectories.size());
  }
  // When a message for `replica` may go: the past, the future, or never.
  absl::Time Ready(const std::string& replica) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WaitUntilReady(const std::string& replica, absl::Duration timeout,
                      uint64_t wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(Held& held) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(std::map<GroupId, Held>::iterator it)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock clock_;
  mutable Mutex mutex_;
  CondVar changed_;
  uint64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<GroupId, Held> groups_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, GroupId> by_lease_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, GroupId> by_ticket_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ticket_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t trajectories_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace aha::actor
