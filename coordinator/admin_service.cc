#include "coordinator/admin_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/file/job.h"
#include "job/identity.h"

namespace aha::coordinator {

// One WatchJob call.  Lock order: that of the service before its own.
class AdminService::Watch : public grpc::ServerWriteReactor<v1::JobStatus> {
 public:
  explicit Watch(AdminService& service) : service_(service) {}

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

grpc::ServerUnaryReactor* AdminService::SubmitJob(
    grpc::CallbackServerContext* context, const v1::SubmitJobRequest* request,
    v1::SubmitJobResponse* response) {
  return rpc::Finish(context, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const v1::Job job, ResolveJob(request->job()));
    // A standing coordinator waits some seconds for its members to leave.  The
    // caller tries again and finds it free.
    if (controller_.Ended()) {
      return absl::UnavailableError(
          absl::StrCat("the job ", controller_.job().name(), " just ended"));
    }
    const v1::Job& held = controller_.job();
    if (job.name() == held.name() &&
        ResultFingerprint(job) == ResultFingerprint(held)) {
      response->set_unchanged(true);
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "the coordinator has another job: ", held.name(), ", ",
        StateName(controller_.State()),
        "; wait for its end (`ahactl job wait`), stop it (`ahactl job stop`) "
        "or submit to another cluster"));
  });
}

grpc::ServerUnaryReactor* AdminService::ListJobs(
    grpc::CallbackServerContext* context, const v1::ListJobsRequest*,
    v1::ListJobsResponse* response) {
  return rpc::Finish(context, [&] {
    v1::JobStatus current = controller_.Status();
    for (v1::JobStatus& job : archive().List()) {
      v1::JobStatus* listed = response->add_jobs();
      *listed = job.name() == current.name() ? current : std::move(job);
    }
    return absl::OkStatus();
  });
}

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
  // In this order: if the job ended between the two, the end would not be sent
  // with the status, and not later either.
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
