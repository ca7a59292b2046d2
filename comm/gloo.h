// Ranks as processes that move data over TCP through Gloo: the collectives of
// machines without GPUs.
//
// Before a call moves data every pair of ranks exchanges a header with the
// call's number, kind, name and size.  The headers are how a rank that is
// missing or at another call is named: Gloo's own errors name a socket.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "comm/communicator.h"

namespace aha::comm {

struct GlooOptions {
  CommunicatorOptions ranks;
  // A directory that all ranks see and that no other rank set has used:
  // <run>/rendezvous/<epoch>.
  std::string rendezvous_directory;
  // The name or address of this machine, as the other ranks reach it.
  std::string hostname = "127.0.0.1";
  // How long ConnectGloo waits for the other ranks.  The ranks start at the
  // same time, so one that is late was lost.  Nothing else ends this wait, not
  // even a shutdown.
  absl::Duration rendezvous = absl::Seconds(30);
  // True: a call that has lost a rank still exchanges headers with the others,
  // so that they too learn which rank was lost first.  False: it ends at once,
  // and the others may name this rank.
  bool continue_after_loss = false;
};

// Connects to all other ranks.  DEADLINE_EXCEEDED names the first rank that did
// not come within `rendezvous`.  For one rank the result is NewSingle().  From
// then on the process ignores SIGPIPE: Gloo writes to the sockets of lost
// ranks, and the error must be returned instead.
absl::StatusOr<std::unique_ptr<Communicator>> ConnectGloo(
    const GlooOptions& options);

}  // namespace aha::comm
