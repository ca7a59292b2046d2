#include "coordinator/poller.h"

#include <algorithm>
#include <utility>

namespace aha::coordinator {

Poller::Poller(absl::Duration interval, std::function<void(bool)> tick)
    : interval_(interval), tick_(std::move(tick)) {
  thread_ = std::thread([this] { Run(); });
}

Poller::~Poller() { Stop(); }

void Poller::Park(absl::Duration wait, std::function<bool(Attempt)> attempt) {
  {
    MutexLock lock(mutex_);
    if (!stopping_) {
      parked_.push_back({clock_() + wait, std::move(attempt)});
      // The attempt that the caller made may have been just before a change
      // whose Kick is over by now.
      kicked_ = true;
      wake_.NotifyAll();
      return;
    }
  }
  attempt(Attempt::kStopping);
}

void Poller::Kick() {
  MutexLock lock(mutex_);
  kicked_ = true;
  wake_.NotifyAll();
}

void Poller::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Poller::Run() {
  absl::Time next_tick = clock_();
  bool changed = true;
  while (true) {
    bool stopping = false;
    bool kicked = false;
    {
      MutexLock lock(mutex_);
      absl::Time until = next_tick;
      for (const Parked& call : parked_) {
        until = std::min(until, call.deadline);
      }
      const absl::Duration wait = until - clock_();
      if (!stopping_ && !kicked_ && wait > absl::ZeroDuration()) {
        wake_.WaitFor(mutex_, wait);
      }
      stopping = stopping_;
      kicked = std::exchange(kicked_, false);
    }
    changed = changed || kicked;
    const absl::Time now = clock_();
    AskAll(now, stopping);
    if (stopping) return;
    if (now >= next_tick) {
      tick_(std::exchange(changed, false));
      next_tick = now + interval_;
    }
  }
}

void Poller::AskAll(absl::Time now, bool stopping) {
  std::list<Parked> asked;
  {
    MutexLock lock(mutex_);
    asked.swap(parked_);
  }
  bool answered = false;
  for (auto it = asked.begin(); it != asked.end();) {
    const bool due = it->deadline <= now;
    const bool done = it->attempt(stopping ? Attempt::kStopping
                                  : due    ? Attempt::kLast
                                           : Attempt::kMore);
    answered = answered || done;
    it = done ? asked.erase(it) : std::next(it);
  }
  MutexLock lock(mutex_);
  // Calls that were parked first are attempted first.
  parked_.splice(parked_.begin(), asked);
  // An answer may have changed what the other calls wait for.
  if (answered) kicked_ = true;
}

}  // namespace aha::coordinator
