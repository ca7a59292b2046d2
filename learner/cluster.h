// The rest of the cluster as a learner rank sees it: the contract of the
// coordinator (proto/aha/v1/coordinator.proto, weights.proto) without the
// transport, so that tests can stand in for it.
//
// Every call may wait; it has a deadline of its own and retries what may be
// retried.  ABORTED: the coordinator restarted or forgot this process, which
// has joined anew since; the step in progress is void, and the caller asks for
// the next stage.  CANCELLED: this process is shutting down.  Other errors are
// final.
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

  // Asks what to do next.  The implementation fills in the identity of this
  // process, in all calls.
  virtual absl::StatusOr<v1::NextStageResponse> NextStage() = 0;
  virtual absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(
      uint32_t stage, uint64_t step) = 0;
  // Whether the groups of that step still come: a number that increases while
  // they are being sampled and scored.
  virtual absl::StatusOr<uint64_t> Progress(uint32_t stage, uint64_t step) = 0;
  virtual absl::Status CommitStep(v1::CommitStepRequest request) = 0;
  virtual absl::Status CommitCheckpoint(
      v1::CommitCheckpointRequest request) = 0;
  // Streams the weights straight from their buffer.
  virtual absl::Status Publish(uint32_t stage, uint64_t version,
                               const Parameters& weights,
                               const Hash128& checksum) = 0;
  // Tells the coordinator, and through it the user, of an event; if it is
  // fatal, the event ends this process.  A report may be lost.
  virtual void Report(bool fatal, const std::string& message) = 0;

  // The epoch of the coordinator that this process joined.  Groups of another
  // epoch are refused.
  virtual uint64_t epoch() const = 0;
  // Shows in heartbeats what this process waits for; "" while it works.
  virtual void SetWaitingFor(const std::string& what) = 0;
};

}  // namespace aha::learner
