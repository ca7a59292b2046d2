// The place where a coordinator process keeps the job that it serves now.  The
// gRPC services live as long as the process and look here at each call; jobs
// come and go.
//
//   slot.Install(std::move(job));
//   absl::StatusOr<JobSlot::Ref> job = slot.Get();   // In a call.
//   slot.Remove(absl::NotFoundError("..."));
//
// Thread-safe.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "coordinator/hosted_job.h"

namespace aha::coordinator {

class JobSlot {
 public:
  // Keeps the job alive.  A stream holds one as long as it is open, any other
  // call until it has returned.
  using Ref = std::shared_ptr<HostedJob>;

  // `why_empty` is what Get returns until a job is installed.
  explicit JobSlot(absl::Status why_empty) : why_empty_(std::move(why_empty)) {}
  ~JobSlot() { Remove(absl::UnavailableError("the coordinator stops")); }
  JobSlot(const JobSlot&) = delete;
  JobSlot& operator=(const JobSlot&) = delete;

  absl::StatusOr<Ref> Get() const;

  // REQUIRES: there is no job.
  void Install(std::unique_ptr<HostedJob> job);

  // Closes the job, waits until every call and stream has let go of it, and
  // destroys it.  From the beginning on, Get returns `why`.  Without a job it
  // only sets `why`.
  void Remove(absl::Status why);

 private:
  mutable Mutex mutex_;
  CondVar released_;
  absl::Status why_empty_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HostedJob> job_ ABSL_GUARDED_BY(mutex_);
  // Its deleter reports that the last reference is gone; job_ is the owner.
  Ref shared_ ABSL_GUARDED_BY(mutex_);
  bool referenced_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace aha::coordinator
