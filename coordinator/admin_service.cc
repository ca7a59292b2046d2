#include "coordinator/admin_service.h"

#include <utility>

namespace aha::coordinator {

// One WatchJob call.  Locks: the service's first, then its own.
class AdminService::Watch : public grpc::ServerWriteReactor<v1::JobStatus> {
 public:
  explicit Watch(AdminService& service) : service_(service) {}

  // `last`: the stream ends with this status.
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
      MutexLock lock(service_.mutex_);
      service_.watches_.erase(this);
    }
    delete this;
  }

  AdminService& service_;
  Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool last_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  v1::JobStatus status_;
};

grpc::ServerWriteReactor<v1::JobStatus>* AdminService::WatchJob(
    grpc::CallbackServerContext*, const v1::WatchJobRequest*) {
  auto* watch = new Watch(*this);
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

void AdminService::Push() {
  {
    MutexLock lock(mutex_);
    if (watches_.empty()) return;
  }
  // In this order: an end after the status would never be sent.
  const bool ended = controller_.Ended();
  const v1::JobStatus status = controller_.Status();
  MutexLock lock(mutex_);
  for (Watch* watch : watches_) watch->Send(status, ended);
}

void AdminService::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  for (Watch* watch : watches_) {
    watch->End({grpc::StatusCode::UNAVAILABLE, "the coordinator stops"});
  }
}

}  // namespace aha::coordinator
