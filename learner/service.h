// aha-learner: one rank as a process.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "rpc/service_flags.h"

namespace aha::learner {

struct ServiceOptions {
  rpc::ServiceFlags flags;
  uint32_t rank = 0;
  int threads = 0;  // 0: the job's cluster.threads, or every core.
};

// Joins the cluster and trains until the job is over or Stop is called.
// Run is called once; Stop is thread-safe and may come before it.
class Service {
 public:
  explicit Service(ServiceOptions options);
  ~Service();

  absl::Status Run();
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::learner
