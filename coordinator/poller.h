// Long polls without blocked threads: calls that wait for a change are parked
// here and asked again, on one thread of this class, when something changed or
// their time is over.
//
// Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <thread>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace aha::coordinator {

// Last: its time is over; stopping: nothing more will happen.  Either way the
// call must be answered now.
enum class Attempt { kMore, kLast, kStopping };

class Poller {
 public:
  // `tick` runs every `interval`, on the poller's thread; `changed` says
  // whether Kick was called since the last time.
  Poller(absl::Duration interval, std::function<void(bool changed)> tick);
  ~Poller();  // As Stop.
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Calls `attempt` until it gives true: at every Kick, with kLast when `wait`
  // is over, and with kStopping at Stop.
  void Park(absl::Duration wait, std::function<bool(Attempt)> attempt);

  // Something changed.  Never blocks; may be called by an attempt.
  void Kick();

  // Answers everything parked; what is parked later is answered at once.
  void Stop();

 private:
  struct Parked {
    absl::Time deadline;
    std::function<bool(Attempt)> attempt;
  };

  void Run();
  // One round over all parked calls.
  void AskAll(absl::Time now, bool stopping) ABSL_LOCKS_EXCLUDED(mutex_);

  const absl::Duration interval_;
  const std::function<void(bool)> tick_;
  const Clock clock_ = MonotonicClock();

  Mutex mutex_;
  CondVar wake_;
  bool kicked_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::list<Parked> parked_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace aha::coordinator
