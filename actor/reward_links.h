// Sends the lease book's messages to the reward replicas, on one stream an
// address.  A stream is opened when the book has a message for the address and
// stays open; when it breaks, its groups are sent again, on the same address or
// another living one.
//
// Thread-safe.  Uses two threads for an open stream, one for another link.
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
  // Returns the addresses of the living replicas.
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
  ~RewardLinks();  // Does what Stop does.

  // Makes sure that a thread sends the book's messages for `replica`.
  void Ensure(const std::string& replica);
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::actor
