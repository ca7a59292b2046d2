// Ranks as processes with a GPU each: sums and all-gathers of elements go
// through NCCL, everything else through Gloo.
//
// NCCL neither names a rank that is missing nor has deadlines.  So a call that
// goes through NCCL takes these steps:
//
//   1. The ranks exchange over Gloo how much they will move; a rank that does
//      not come is named here.
//   2. The elements are copied to the device, moved by NCCL, and copied back.
//      The call polls NCCL until its deadline.
//   3. Only after a failure or the deadline: the call aborts NCCL (waiting for
//      that no longer than half of `diagnosis`), and a round over a second Gloo
//      rank set finds the ranks that no longer answer:
//
//   all-reduce #12 "gradients": NCCL did not finish within 300s; rank 2 does
//   not answer
//
// Shards are padded to the largest one on the device, because NCCL moves equal
// shards only; shards of about equal sizes are best.
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
  GlooOptions gloo;  // The rank set, and how it connects.
  NcclLibraries libraries = {};
  int device = 0;  // CUDA's number of this rank's GPU.
  // Deadline of the round that names the ranks that no longer answer; half of
  // it is the deadline of ncclCommAbort.
  absl::Duration diagnosis = absl::Seconds(10);
};

// Connects as ConnectGloo does.  FAILED_PRECONDITION: this or another rank,
// which the message names, cannot use NCCL; starting again will not help.
absl::StatusOr<std::unique_ptr<Communicator>> ConnectNccl(
    const NcclOptions& options);

}  // namespace aha::comm
