#include "coordinator/watches.h"

#include <utility>

namespace aha::coordinator {

// One WatchJob call.  Lock order: that of Watches before its own.
class Watches::Watch : public grpc::ServerWriteReactor<v1::JobStatus> {
 public:
  Watch(Watches& watches, std::shared_ptr<void> owner)
      : owner_(std::move(owner)), all_(watches) {}

  // `last`: the stream ends after this status.
  void Send(const v1::JobStatus& status, bool last) {
    MutexLock lock(mutex_);
    if (writing_ || finished_) return;
    status_ = status;
    writing_ = true;
    last_ = last;
    StartWrite(&status_);
  }

  void End(const grpc::Status& status) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(finished_, true)) return;
    }
    Finish(status);
  }

 private:
  void OnWriteDone(bool ok) override {
    bool end = false;
    {
      MutexLock lock(mutex_);
      writing_ = false;
      end = last_ || !ok;
    }
    if (end) End(grpc::Status::OK);
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override {
    {
      MutexLock lock(all_.mutex_);
      all_.watches_.erase(this);
    }
    delete this;
  }

  const std::shared_ptr<void> owner_;
  Watches& all_;
  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  v1::JobStatus status_;
};

grpc::ServerWriteReactor<v1::JobStatus>* Watches::Open(
    std::shared_ptr<void> owner) {
  auto* watch = new Watch(*this, std::move(owner));
  bool stopping = false;
  {
    MutexLock lock(mutex_);
    stopping = stopping_;
    if (!stopping) watches_.insert(watch);
  }
  if (stopping) {
    watch->End({grpc::StatusCode::UNAVAILABLE, "the coordinator stops"});
  } else {
    const bool ended = controller_.Ended();
    watch->Send(controller_.Status(), ended);
  }
  return watch;
}

void Watches::Push() {
  {
    MutexLock lock(mutex_);
    if (watches_.empty()) return;
  }
  // In this order: if the job ended between the two, the end would not be sent
  // with the status, and not later either.
  const bool ended = controller_.Ended();
  const v1::JobStatus status = controller_.Status();
  MutexLock lock(mutex_);
  for (Watch* watch : watches_) watch->Send(status, ended);
}

void Watches::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  for (Watch* watch : watches_) {
    watch->End({grpc::StatusCode::UNAVAILABLE, "the coordinator stops"});
  }
}

}  // namespace aha::coordinator
