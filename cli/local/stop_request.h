// A StopJob call under way.  It may wait for the coordinator, and a second
// Ctrl-C must not wait for it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "cli/client/admin_client.h"

namespace aha::cli {

class StopRequest {
 public:
  // Begins the call to the coordinator at `address`.
  explicit StopRequest(const std::string& address);
  ~StopRequest();  // Cancels it.
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  // Whether the call has ended with an error; from any thread.
  bool failed() const { return failed_; }

 private:
  std::atomic<bool> failed_{false};
  std::unique_ptr<AdminClient> client_;
  std::thread thread_;
};

}  // namespace aha::cli
