// A switch that ends every wait that is registered with it. Pass one to code
// that may block, so that another thread can stop it:
//
//   const Cancellation::Registration stop(&stopped, [&] { call.Cancel(); });
//   call.Wait();  // Returns early after stopped.Cancel().
//
// Cancel() runs the registered callbacks once, in no particular order, on the
// caller's thread. A callback that is registered later runs at once. Callbacks
// must not block. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace aha::rpc {

class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Sleeps for `duration`; returns true if it was cancelled before the end.
  bool SleepFor(absl::Duration duration) ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `on_cancel` at cancellation, until the registration is destroyed. The
  // destructor waits for a callback that is running.
  class Registration {
   public:
    Registration(Cancellation* cancellation, std::function<void()> on_cancel);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Cancellation* const cancellation_;  // May be null; then it is never called.
    uint64_t id_ = 0;
  };

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::rpc
