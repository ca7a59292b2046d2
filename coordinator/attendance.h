// The Attend streams of the members: each is open as long as the process of its
// member lives, so that the coordinator learns at once when one dies.
//
// Thread-safe.
#pragma once

#include <memory>
#include <set>

#include "aha/v1/coordinator.grpc.pb.h"
#include "base/mutex.h"
#include "coordinator/controller.h"

namespace aha::coordinator {

class Attendance {
 public:
  explicit Attendance(Controller& controller) : controller_(controller) {}

  // The stream keeps `owner`, which holds this object and the controller.
  grpc::ServerWriteReactor<v1::AttendResponse>* Open(
      std::shared_ptr<void> owner, const v1::AttendRequest& request);
  // Ends every stream.  No member counts as gone because of that.
  void Stop();

 private:
  class Stream;

  Controller& controller_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
