// The WatchJob streams of a job: each is sent the status of the job when it
// changes.
//
// Thread-safe.
#pragma once

#include <memory>
#include <set>

#include "aha/v1/admin.grpc.pb.h"
#include "base/mutex.h"
#include "coordinator/controller.h"

namespace aha::coordinator {

class Watches {
 public:
  explicit Watches(Controller& controller) : controller_(controller) {}

  // Sends the present status at once.  The stream keeps `owner`, which holds
  // this object and the controller.
  grpc::ServerWriteReactor<v1::JobStatus>* Open(std::shared_ptr<void> owner);
  // Sends the status to every stream, except one that is still sending the
  // last status.  To be called at most ten times a second.
  void Push();
  // Ends every stream.
  void Stop();

 private:
  class Watch;

  Controller& controller_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Watch*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
