// Puts a version together from verified chunks.
//
//   (empty) --Add--> partial --Add ...--> whole --Take--> (empty)
//
// Invariants: what is held up to offset() was verified chunk by chunk; a buffer
// is given out only if the hash of the whole agrees.  After a broken transfer
// the next chunk continues at offset().
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "actor/policy_id.h"
#include "actor/weight_buffer.h"
#include "aha/v1/weights.pb.h"
#include "base/hash.h"

namespace aha::actor {

class WeightAssembler {
 public:
  static constexpr uint64_t kMaxBytes = uint64_t{1} << 40;
  static constexpr uint64_t kMaxChunk = 1 << 20;

  WeightAssembler(PolicyId id, uint64_t epoch) : id_(id), epoch_(epoch) {}

  // INVALID_ARGUMENT: malformed, or not the chunk that comes next.
  // FAILED_PRECONDITION: of another epoch.  DATA_LOSS: a hash does not agree;
  // a wrong chunk leaves what was there before, a wrong whole starts again.
  absl::Status Add(const v1::WeightsChunk& chunk);

  uint64_t offset() const { return offset_; }
  bool whole() const { return buffer_.has_value() && offset_ == total_; }
  // REQUIRES: whole().
  WeightBuffer Take();

 private:
  absl::Status Check(const v1::WeightsChunk& chunk) const;

  const PolicyId id_;
  const uint64_t epoch_;
  std::optional<WeightBuffer> buffer_;
  uint64_t total_ = 0;
  Hash128 checksum_;
  uint64_t offset_ = 0;
};

}  // namespace aha::actor
