// An actor at work: leases groups, samples them, streams the trajectories to
// the reward service and completes the leases.
//
//   coordinator --lease--> book, engine --samples--> book --> reward replicas
//        ^                                                        |
//        +------------------- CompleteLease <------- ack ---------+
//
// Invariants: a lease is renewed until its consumer has the group, and given
// back (by Leave, or by not renewing it) otherwise.  After a change of the
// coordinator's epoch nothing of the old one is sent or sampled on.  A group
// that is refused as malformed three times, or not taken for
// cluster.wait_seconds, fails the job with the refuser's reason.
//
// Run is called once; the destructor ends all threads.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "actor/prompt_codec.h"
#include "actor/sampler.h"
#include "base/cancellation.h"
#include "cluster/member.h"
#include "rpc/metrics.h"
#include "rpc/security.h"

namespace aha::actor {

struct ActorParts {
  Sampler* sampler = nullptr;  // None is owned.
  const PromptCodec* codec = nullptr;
  rpc::Member* member = nullptr;  // Has joined.
  rpc::Metrics* metrics = nullptr;
  rpc::Security security = {};
};

class Actor {
 public:
  explicit Actor(const ActorParts& parts);
  ~Actor();

  // Until `stop`, or the coordinator says so, or draining is over: OK.  Else
  // what made going on impossible; it was reported to the coordinator.
  absl::Status Run(rpc::Cancellation& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::actor
