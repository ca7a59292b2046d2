#include "base/cancellation.h"

#include <utility>

#include "absl/time/clock.h"
#include "base/clock.h"

namespace aha::rpc {

void Cancellation::Cancel() {
  std::map<uint64_t, std::function<void()>> callbacks;
  {
    MutexLock lock(mutex_);
    if (cancelled_) return;
    cancelled_ = true;
    calling_ = true;
    callbacks.swap(callbacks_);
    changed_.NotifyAll();
  }
  for (const auto& [id, callback] : callbacks) callback();
  MutexLock lock(mutex_);
  calling_ = false;
  changed_.NotifyAll();
}

bool Cancellation::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

bool Cancellation::SleepFor(absl::Duration duration) {
  const Clock clock = MonotonicClock();
  const absl::Time until = clock() + duration;
  MutexLock lock(mutex_);
  while (!cancelled_) {
    const absl::Duration left = until - clock();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mutex_, left);
  }
  return cancelled_;
}

Cancellation::Registration::Registration(Cancellation* cancellation,
                                         std::function<void()> on_cancel)
    : cancellation_(cancellation) {
  if (cancellation_ == nullptr) return;
  {
    MutexLock lock(cancellation_->mutex_);
    if (!cancellation_->cancelled_) {
      id_ = cancellation_->next_++;
      cancellation_->callbacks_.emplace(id_, std::move(on_cancel));
      return;
    }
  }
  on_cancel();
}

Cancellation::Registration::~Registration() {
  if (id_ == 0) return;
  MutexLock lock(cancellation_->mutex_);
  if (cancellation_->callbacks_.erase(id_) > 0) return;
  while (cancellation_->calling_) {
    cancellation_->changed_.Wait(cancellation_->mutex_);
  }
}

}  // namespace aha::rpc
