// Delivers groups to learners and the coordinator over gRPC.
//
// One lane (thread, connection) an address, so a consumer that is away holds
// up nobody else's groups; within a lane a group that was answered UNAVAILABLE
// steps back, so a group that is wanted later does not block one wanted now.
// A lane ends when nothing was delivered on it for a while, as happens to the
// address of a learner that was restarted.
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
    absl::Duration idle = absl::Minutes(1);  // Then a lane ends.
    // Of them; a group for one more is UNAVAILABLE.  Far more than learners.
    size_t max_lanes = 256;
    // Time that groups spent waiting for consumers, for metrics.
    std::function<void(absl::Duration)> waited = {};
  };
  explicit ConsumerForwarder(Options options);
  ~ConsumerForwarder() override;

  // How long a group is tried before it is UNAVAILABLE.
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
