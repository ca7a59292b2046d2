// BlockEnvironment is what the blocks of one transformer share: where they
// compute, in which number format, what their weights are packed for, and the
// tables and matrices that several blocks use.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "device/context.h"
#include "device/dtype.h"
#include "model/policy.h"
#include "model/rope.h"
#include "ops/matmul.h"
#include "ops/rope.h"

namespace aha {

// A packed matrix, and which weights it holds.
struct WeightMatrix {
  ops::PackedMatrix matrix;
  const void* weights = nullptr;  // Null: none of the current version.
  ops::PackedMatrix::Source source = ops::PackedMatrix::Source::kTransposed;
};

class BlockEnvironment {
 public:
  BlockEnvironment(DType dtype, const ops::Context& context, PolicyUse use)
      : dtype_(dtype), context_(context), use_(use) {}
  BlockEnvironment(const BlockEnvironment&) = delete;
  BlockEnvironment& operator=(const BlockEnvironment&) = delete;

  DType dtype() const { return dtype_; }
  int64_t element_bytes() const { return static_cast<int64_t>(SizeOf(dtype_)); }
  const ops::Context& context() const { return context_; }
  bool can_train() const { return use_ != PolicyUse::kSampling; }
  // Weights stay in the buffer of Load and are packed when they are used.
  bool lean() const { return use_ == PolicyUse::kLeanTraining; }

  // Returns a matrix [k, n], which is zero at first. In a lean environment
  // every caller that asks for this shape gets the same matrix and packs it
  // before each use.
  absl::StatusOr<std::shared_ptr<WeightMatrix>> Matrix(int64_t k, int64_t n);

  // Returns the table of rotations of this shape. Blocks of equal shape share
  // one table.
  struct RopeShape {
    int64_t max_positions;
    int64_t head_dim;
    RopeSettings rope;
    auto operator<=>(const RopeShape&) const = default;
  };
  std::shared_ptr<const ops::RopeTable> Rope(const RopeShape& shape);

 private:
  const DType dtype_;
  const ops::Context context_;
  const PolicyUse use_;
  std::map<std::pair<int64_t, int64_t>, std::shared_ptr<WeightMatrix>> lent_;
  std::map<RopeShape, std::shared_ptr<const ops::RopeTable>> ropes_;
};

}  // namespace aha
