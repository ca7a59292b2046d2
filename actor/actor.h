// Runs an actor: leases groups, samples them, streams the trajectories to the
// reward service and completes the leases.
//
//   coordinator --lease--> book, engine --samples--> book --> reward replicas
//        ^                                                        |
//        +------------------- CompleteLease <------- ack ---------+
//
// Invariants:
//  * A lease is renewed until the consumer has its group.  Otherwise it is
//    returned, by leaving the cluster or by not renewing it.
//  * After a change of the coordinator's epoch the actor neither sends nor
//    samples anything of the old one.
//  * A group that is refused as malformed three times, or not accepted for
//    cluster.wait_seconds, fails the job with the reason that was given.
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
#include "metrics/registry.h"
#include "rpc/security.h"

namespace aha::actor {

struct ActorParts {
  // None of the pointers is owned.
  Sampler* sampler = nullptr;
  const PromptCodec* codec = nullptr;
  rpc::Member* member = nullptr;  // Has joined.
  metrics::Registry* metrics = nullptr;
  rpc::Security security = {};
};

class Actor {
 public:
  explicit Actor(const ActorParts& parts);
  ~Actor();

  // Returns OK after `stop`, when the coordinator ends the actor, or when it
  // has drained; otherwise the failure, which was reported to the coordinator.
  absl::Status Run(rpc::Cancellation& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::actor
