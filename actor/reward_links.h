// The streams to the reward replicas: one an address, opened when the lease
// book has something for it, kept open, and opened again (here or at another
// living replica) when it breaks.
//
// Thread-safe.  Two threads a stream that is open, one otherwise.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "actor/lease_book.h"
#include "aha/v1/reward.pb.h"
#include "rpc/security.h"

namespace aha::actor {

struct RewardLinkEvents {
  // Addresses of the replicas that are alive.
  std::function<std::vector<std::string>()> living = {};
  // An answer about a group, on the stream to `replica`.
  std::function<void(const std::string& replica, const v1::GroupAck& ack)> ack =
      {};
  // A sender waited for credit.
  std::function<void(absl::Duration took)> waited = {};
};

class RewardLinks {
 public:
  RewardLinks(LeaseBook* book, rpc::Security security, RewardLinkEvents events);
  ~RewardLinks();  // Stop.

  // Sees to it that somebody sends what the book has for `replica`.
  void Ensure(const std::string& replica);
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::actor
