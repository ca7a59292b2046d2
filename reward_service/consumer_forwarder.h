// The forwarder delivers whole groups to learners and the coordinator over
// gRPC.
//
// Each address has a lane, which is a thread with a connection.  A consumer
// that is away therefore holds up no other consumer's groups.  Within a lane a
// group that was answered UNAVAILABLE waits behind the others, so that a group
// that is wanted later does not block one that is wanted now.  A lane that
// delivered nothing for a while ends: a learner that restarts has another
// address.
//
// Thread-safe.  Stop cancels what is under way; its groups are done with
// CANCELLED.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "base/backoff.h"
#include "reward_service/pipeline.h"
#include "rpc/security.h"

namespace aha::reward {

class ConsumerForwarder final : public Forwarder {
 public:
  struct Options {
    rpc::Security security = {};
    absl::Duration attempt = absl::Seconds(20);
    Backoff backoff = kDeliveryBackoff;
    absl::Duration idle = absl::Minutes(1);  // After it an idle lane ends.
    // A group for a further address is answered UNAVAILABLE.  A job has far
    // fewer learners.
    size_t max_lanes = 256;
    // Called with the time that a group waited for its consumer, for metrics.
    std::function<void(absl::Duration)> waited = {};
  };
  explicit ConsumerForwarder(Options options);
  ~ConsumerForwarder() override;

  // Sets how long the delivery of a group is tried before it is UNAVAILABLE.
  void SetPatience(absl::Duration patience);

  void Deliver(std::shared_ptr<const v1::DeliverRequest> message,
               std::function<bool()> wanted,
               std::function<void(absl::Status)> done) override;
  void Stop();

  size_t lanes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::reward
