// What the learner asks of the rest of the cluster: the coordinator's contract
// (proto/aha/v1/coordinator.proto, weights.proto) without the transport.
//
// Calls wait; each has its own deadline and retries what may be retried.
// ABORTED: the coordinator restarted or forgot this process and it has joined
// anew since: what is under way is void, ask NextStage.  CANCELLED: shutting
// down.  Other errors are final.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/coordinator.pb.h"
#include "base/hash.h"
#include "model/parameters.h"

namespace aha::learner {

class Cluster {
 public:
  virtual ~Cluster() = default;

  // Identity is filled in by the callee.
  virtual absl::StatusOr<v1::NextStageResponse> NextStage() = 0;
  virtual absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(
      uint32_t stage, uint64_t step) = 0;
  // Whether that step's groups still come: a number that grows while somebody
  // gets on with them.
  virtual absl::StatusOr<uint64_t> Progress(uint32_t stage, uint64_t step) = 0;
  virtual absl::Status CommitStep(v1::CommitStepRequest request) = 0;
  virtual absl::Status CommitCheckpoint(
      v1::CommitCheckpointRequest request) = 0;
  // Streams the weights straight from their buffer.
  virtual absl::Status Publish(uint32_t stage, uint64_t version,
                               const Parameters& weights,
                               const Hash128& checksum) = 0;
  // Best effort.
  virtual void Report(bool fatal, const std::string& message) = 0;

  // Of the current membership; groups of another one are refused.
  virtual uint64_t epoch() const = 0;
  // What this process waits for, shown to people; "" if it works.
  virtual void SetWaitingFor(const std::string& what) = 0;
};

}  // namespace aha::learner
