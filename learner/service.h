// aha-learner: one rank as a process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "cluster/service_flags.h"

namespace aha::learner {

// What carries the sums of gradients between ranks (comm/).
enum class Collectives { kGloo, kNccl };

struct ServiceOptions {
  rpc::ServiceFlags flags;
  uint32_t rank = 0;
  Collectives collectives = Collectives::kGloo;
  int gpu = 0;                 // The number of this rank's GPU, for NCCL.
  std::string device = "cpu";  // A name that ops::ParseDevice knows.
  int threads = 0;             // 0: the job's cluster.threads, or every core.
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
