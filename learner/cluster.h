// The learner's interface to the coordinator: its contract
// (proto/aha/v1/coordinator.proto, weights.proto) without the transport.
//
// Calls block; each has its own deadline and retries what may be retried.
// ABORTED: the coordinator restarted or no longer knew this process, which has
// joined again since; what was under way is void, and the learner calls
// NextStage.  CANCELLED: the process is shutting down.  Other errors are final.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/coordinator.pb.h"
#include "base/hash.h"
#include "job/ids.h"
#include "model/parameters.h"

namespace aha::learner {

class Cluster {
 public:
  virtual ~Cluster() = default;

  // The callee fills in the member's identity.
  virtual absl::StatusOr<v1::NextStageResponse> NextStage() = 0;
  virtual absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(
      uint32_t stage, uint64_t step) = 0;
  // A number that increases while work on the groups of that step completes
  // anywhere in the cluster.
  virtual absl::StatusOr<uint64_t> Progress(uint32_t stage, uint64_t step) = 0;
  virtual absl::Status CommitStep(v1::CommitStepRequest request) = 0;
  virtual absl::Status CommitCheckpoint(
      v1::CommitCheckpointRequest request) = 0;
  // Streams the weights from their buffer without a copy of all of them.
  virtual absl::Status Publish(const WeightsId& id, const Parameters& weights,
                               const Hash128& checksum) = 0;
  // Best effort.
  virtual void Report(bool fatal, const std::string& message) = 0;

  // The coordinator's epoch in the current membership; groups of another epoch
  // are refused.
  virtual uint64_t epoch() const = 0;
  // Sets what the status of this process says that it waits for; "" while it
  // works.
  virtual void SetWaitingFor(const std::string& what) = 0;
};

}  // namespace aha::learner
