// Records the groups that this actor holds, from the lease to the
// acknowledgement, and which of their messages each reward replica still lacks.
//
//   Add --> sampling/sending --(ack OK)--> Acknowledge --> Drop
//             ^        |
//             +-Resend-+   the replica died, or could not accept it
//
// Invariants:
//  * A group is held until it is dropped, so its lease is renewed until it is
//    completed.
//  * A trajectory is kept until its group is acknowledged, so that it can be
//    sent again.
//  * The messages of a group go to one replica at a time, `open` first.
//  * Tickets never repeat, but lease ids do after a restart of the coordinator;
//    so the engine's samples carry the ticket.
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
    std::optional<uint64_t> replaced;  // The ticket of an earlier lease.
  };
  // `replica` is the address that the group is sent to first.
  Added Add(uint64_t lease, v1::GroupContext context,
            const std::string& replica) ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns false if the group is no longer held.
  bool AddTrajectory(uint64_t ticket, v1::Trajectory trajectory)
      ABSL_LOCKS_EXCLUDED(mutex_);

  std::vector<uint64_t> leases() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<uint64_t> LeaseOf(const GroupId& group) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Records that the consumer has the group, and frees its trajectories.
  void Acknowledge(const GroupId& group) ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns the ticket, if the lease was held.
  std::optional<uint64_t> Drop(uint64_t lease) ABSL_LOCKS_EXCLUDED(mutex_);
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);
  bool empty() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The trajectories that no consumer has yet, and their bytes.
  uint64_t unacknowledged_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t unacknowledged_trajectories() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for the next message for `replica`, in the order of groups, and marks
  // it as sent.  Returns nothing after `timeout`, or once wakes() differs from
  // `wakes`.
  std::optional<v1::SubmitRequest> Next(const std::string& replica,
                                        absl::Duration timeout, uint64_t wakes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The replicas that a message waits for.
  std::vector<std::string> ReplicasWithWork() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool HasWork(const std::string& replica) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until HasWork; returns false where Next returns nothing.
  bool WaitForWork(const std::string& replica, absl::Duration timeout,
                   uint64_t wakes) ABSL_LOCKS_EXCLUDED(mutex_);
  // The number of calls of Wake.  A caller reads it before it checks the
  // condition that Wake announces.
  uint64_t wakes() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

  // After the stream to `replica` broke: sends all its groups again, to one of
  // `living` (to `replica` itself if there is no other).
  void Resend(const std::string& replica,
              const std::vector<std::string>& living)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // After `from` could not accept a group: sends it again to `to` when `delay`
  // is over.  Does nothing if the group is no longer assigned to `from`.
  void ResendLater(const GroupId& group, const std::string& from,
                   const std::string& to, absl::Duration delay)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // How often ResendLater was called for this group, and for how long.
  struct Attempts {
    int count = 0;
    absl::Duration since;  // Since the first call.
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
    size_t sent = 0;      // Trajectories that were sent, the first ones.
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
  // When the next message for `replica` may be sent; infinite if there is none.
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
