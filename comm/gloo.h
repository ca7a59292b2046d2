// Ranks as processes, over TCP through Gloo.
//
// Before a call moves data every pair of ranks exchanges a header with the
// call's number, kind, name and size.  That is what names a rank that is
// missing or elsewhere: Gloo's own errors name a socket.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "comm/communicator.h"

namespace aha::comm {

struct GlooOptions {
  CommunicatorOptions group;
  // Seen by all ranks, used by no other group before: <run>/rendezvous/<epoch>.
  std::string rendezvous_directory;
  // Of this machine, as the other ranks reach it.
  std::string hostname = "127.0.0.1";
  // All ranks set out at once, so one that is late was lost; and nothing else
  // ends this wait, a shutdown neither.
  absl::Duration rendezvous = absl::Seconds(30);
  // A call that has lost a rank still hears the others, so that they can learn
  // who was lost first.  Otherwise it ends at once, and they may name this one.
  bool hear_all = false;
};

// Connects to all other ranks; waits for them to come at most `rendezvous`,
// then DEADLINE_EXCEEDED names the first that did not come.  A group of one is
// NewSingle().  The process ignores SIGPIPE from then on: Gloo writes to a lost
// rank's socket, and the error must arrive instead.
absl::StatusOr<std::unique_ptr<Communicator>> ConnectGloo(
    const GlooOptions& options);

}  // namespace aha::comm
