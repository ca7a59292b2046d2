// Puts a version of the weights together from the chunks of a transfer, each of
// which it verifies.
//
//   (empty) --Add--> partial --Add ...--> whole --Take--> (empty)
//
// Invariants: every byte before offset() was verified with its chunk; Take
// returns a buffer only if the hash of the whole version agrees.  After a
// broken transfer the next chunk continues at offset().
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/weight_buffer.h"
#include "aha/v1/weights.pb.h"
#include "base/hash.h"
#include "job/ids.h"

namespace aha::actor {

class WeightAssembler {
 public:
  // `sender` is named in errors: "the coordinator at 10.0.0.1:7000".
  WeightAssembler(WeightsId id, uint64_t epoch,
                  std::string sender = "the coordinator")
      : id_(id), epoch_(epoch), sender_(std::move(sender)) {}

  // INVALID_ARGUMENT: the chunk is malformed, or is not the one that comes
  // next.  FAILED_PRECONDITION: it is of another epoch.  UNIMPLEMENTED: its
  // encoding is not FULL; sending it again cannot help.  DATA_LOSS: a hash does
  // not agree.  After a wrong chunk the assembler holds what it held before;
  // after a wrong whole it is empty.
  absl::Status Add(const v1::WeightsChunk& chunk);

  uint64_t offset() const { return offset_; }
  bool whole() const { return buffer_.has_value() && offset_ == total_; }
  // REQUIRES: whole().
  WeightBuffer Take();

 private:
  absl::Status Check(const v1::WeightsChunk& chunk) const;

  const WeightsId id_;
  const uint64_t epoch_;
  const std::string sender_;
  std::optional<WeightBuffer> buffer_;
  uint64_t total_ = 0;
  Hash128 checksum_;
  uint64_t offset_ = 0;
};

}  // namespace aha::actor
