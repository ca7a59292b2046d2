// Ranks as processes with a GPU each: sums go through NCCL, everything else
// (and who is missing) through Gloo.
//
// NCCL tells neither who did not come nor when to give up.  So before a sum
// every rank says over Gloo that it is there and with how much; the sum itself
// is polled until the deadline, and broken off then (ncclCommAbort, which is
// not waited for for ever either); and after that a last round over Gloo names
// who does not answer any more:
//
//   all-reduce #12 "gradients": NCCL did not finish within 300s; rank 2 does
//   not answer
//
// Sums are of 64-bit integers, so NCCL's algorithm and the order of ranks do
// not matter.  This body has never run on a GPU (docs/numerics.md).
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "comm/communicator.h"
#include "comm/gloo.h"
#include "comm/nccl_api.h"

namespace aha::comm {

struct NcclOptions {
  GlooOptions gloo;  // The group, and how it meets.
  NcclLibraries libraries = {};
  int device = 0;  // CUDA's number of this rank's GPU.
  // For the last round that names who does not answer; half of it for
  // ncclCommAbort.
  absl::Duration inquest = absl::Seconds(10);
};

// As ConnectGloo.  FAILED_PRECONDITION: this or another rank (named) cannot use
// NCCL; starting again will not help.
absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    const NcclOptions& options);

}  // namespace aha::comm
