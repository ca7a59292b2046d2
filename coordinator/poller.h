// Long polls without blocked threads: a call that waits for a change is parked
// here, and its attempt is repeated on the one thread of this class when
// something changed or the time of the call is over.
//
//   Poller poller(absl::Milliseconds(100), [&](bool changed) { ... });
//   poller.Park(absl::Seconds(10),
//               [&](Attempt which) { return Answer(which); });
//   poller.Kick();   // At every change.
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

enum class Attempt {
  kMore,      // The call may be answered, or wait on.
  kLast,      // The time of the call is over: it must be answered now.
  kStopping,  // The poller stops: the call must be answered now.
};

class Poller {
 public:
  // `tick` runs every `interval`, on the poller's thread; `changed` says
  // whether Kick was called since the last time.
  Poller(absl::Duration interval, std::function<void(bool changed)> tick);
  ~Poller();  // Does what Stop does.
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Calls `attempt` until it returns true: at every Kick, with kLast when
  // `wait` is over, and with kStopping at Stop.
  void Park(absl::Duration wait, std::function<bool(Attempt)> attempt);

  // Repeats the attempts soon.  Never blocks; may be called by an attempt.
  void Kick();

  // Makes the last attempt of every call that is parked.  A call that is parked
  // later gets its last attempt at once.
  void Stop();

 private:
  struct Parked {
    absl::Time deadline;
    std::function<bool(Attempt)> attempt;
  };

  void Run();
  // Makes one attempt of each parked call.
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
