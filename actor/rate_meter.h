// Measures tokens per second of busy time, over about the last ten busy
// seconds.
#pragma once

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace aha::actor {

// Thread-safe.
class RateMeter {
 public:
  explicit RateMeter(Clock clock) : clock_(std::move(clock)) {}

  void Add(double tokens, absl::Duration busy) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    last_ = clock_();
    tokens_ += tokens;
    busy_ += busy;
    if (busy_ > kWindow) {
      tokens_ /= 2;
      busy_ /= 2;
    }
  }

  // 0 if no tokens were added during the last ten seconds.
  double PerSecond() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (busy_ <= absl::ZeroDuration() || clock_() - last_ > kWindow) return 0;
    return tokens_ / absl::ToDoubleSeconds(busy_);
  }

 private:
  static constexpr absl::Duration kWindow = absl::Seconds(10);

  const Clock clock_;
  mutable Mutex mutex_;
  absl::Time last_ ABSL_GUARDED_BY(mutex_);
  double tokens_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration busy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::actor
