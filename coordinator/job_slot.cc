#include "coordinator/job_slot.h"

#include <utility>

namespace aha::coordinator {

absl::StatusOr<JobSlot::Ref> JobSlot::Get() const {
  MutexLock lock(mutex_);
  if (shared_ == nullptr) return why_empty_;
  return shared_;
}

void JobSlot::Install(std::unique_ptr<HostedJob> job) {
  MutexLock lock(mutex_);
  job_ = std::move(job);
  referenced_ = true;
  shared_ = Ref(job_.get(), [this](HostedJob*) {
    MutexLock released(mutex_);
    referenced_ = false;
    released_.NotifyAll();
  });
}

void JobSlot::Remove(absl::Status why) {
  Ref last;
  {
    MutexLock lock(mutex_);
    why_empty_ = std::move(why);
    last = std::exchange(shared_, nullptr);
  }
  if (last == nullptr) return;
  last->Close();
  last.reset();
  std::unique_ptr<HostedJob> job;
  {
    MutexLock lock(mutex_);
    while (referenced_) released_.WaitFor(mutex_, absl::Seconds(1));
    job = std::move(job_);
  }
}

}  // namespace aha::coordinator
