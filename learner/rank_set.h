// The rank set that this learner process trains in: joining it, leaving it, and
// what ends the waits of its ranks for each other.
//
// A rank set is what the coordinator puts together from the learners that are
// there: each receives the addresses of all and the epoch of the set, and
// connects (Join).  It lasts until a collective call fails, a rank is lost or
// the coordinator puts another set together; then every rank leaves it and asks
// the coordinator again.
//
// A rank that waits for another rank cannot tell a slow rank from a lost one.
// Three events end such a wait from outside; the collective call that waits
// then returns ABORTED:
//
//   1. Interrupt: this process joined the cluster again.  It ends only the wait
//      for the next step (kNextStepWait).  In the middle of a step the other
//      ranks take part, and the step comes to its end.
//   2. OnLivingLearners: twice in a row a rank of the set was not among the
//      living.  Once is not enough, because the list may be older than the set.
//   3. Stop, if the other ranks do not come within the patience.  While the
//      ranks write a checkpoint (kCheckpointWrite) it has no limit: a rank may
//      well write for longer.
//
// Join, Leave and comm are for the thread that trains; all else is thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/coordinator.pb.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "comm/communicator.h"

namespace aha::learner {

// Connects this rank with the others that `next` names.  UNAVAILABLE or
// DEADLINE_EXCEEDED if another rank did not come.
using Connect =
    std::function<absl::StatusOr<std::unique_ptr<comm::Communicator>>(
        const v1::NextStageResponse& next)>;

class RankSet {
 public:
  // `stop_patience` is how long a wait for another rank continues after Stop.
  RankSet(uint32_t rank, absl::Duration stop_patience, Clock clock,
          Connect connect);

  uint32_t rank() const { return rank_; }

  // Joins the set that `next` names, whose epoch counts within
  // `coordinator_epoch`; stays in it if this rank is in it and it is whole.
  // FAILED_PRECONDITION: this rank is not one of the set.  ABORTED: another
  // rank did not come.  UNAVAILABLE: the set broke and was offered again.
  absl::Status Join(uint64_t coordinator_epoch,
                    const v1::NextStageResponse& next)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);
  // Leaves a set that broke, and refuses to join it again.
  void LeaveBroken() ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a collective call of the set failed or was aborted.
  bool broken() const { return comm_ && !comm_->status().ok(); }
  // Whether Join returned OK, and this rank has not left since.
  bool joined() const { return comm_ != nullptr; }
  // The number of ranks; 1 outside of a set.
  int size() const { return comm_ ? comm_->size() : 1; }
  // REQUIRES: joined().
  comm::Communicator& comm() { return *comm_; }

  // What this rank does while it waits for others; it decides what may end the
  // wait.
  enum class Activity { kStep, kNextStepWait, kCheckpointWrite };
  // This rank does `activity` while this lives, and a step before and after.
  class Scope {
   public:
    Scope(RankSet* set, Activity activity) : set_(*set) {
      set_.SetActivity(activity);
    }
    ~Scope() { set_.SetActivity(Activity::kStep); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    RankSet& set_;
  };

  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);
  bool stopping() const { return stopping_; }
  // `living` has the addresses of the learners that the coordinator takes for
  // living, by rank; it is called with every heartbeat.  Returns whether a rank
  // of this set was lost.
  bool OnLivingLearners(const std::map<uint32_t, std::string>& living)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // The epoch of the coordinator and, within it, that of the set.
  using Name = std::pair<uint64_t, uint64_t>;

  void SetActivity(Activity activity) ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends waits for other ranks that outlast the patience after Stop.
  void AbortIfStopTakesTooLong() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const uint32_t rank_;
  const absl::Duration stop_patience_;
  const Clock clock_;
  const Connect connect_;

  // Used by the thread that trains only.
  std::unique_ptr<comm::Communicator> comm_;
  std::optional<Name> name_;         // The set that comm_ connects.
  std::optional<Name> broken_name_;  // The latest set that broke.

  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  absl::Time stopped_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // comm_ for the other threads: only its thread-safe functions are called.
  comm::Communicator* shared_comm_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::vector<std::string> addresses_ ABSL_GUARDED_BY(mutex_);  // By rank.
  // How many lists of living learners in a row lacked a rank of the set.
  int times_missing_ ABSL_GUARDED_BY(mutex_) = 0;
  Activity activity_ ABSL_GUARDED_BY(mutex_) = Activity::kStep;
};

// What a wait that was ended from outside returns.
absl::Status WaitEndedFromOutside();

}  // namespace aha::learner
