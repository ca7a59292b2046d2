// Rotary position embedding (Su et al. 2021) in Hugging Face's rotate_half
// layout: dimension i pairs with i + head_dim/2.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "device/context.h"

namespace aha::ops {

// The cos and sin of position * frequency, times a factor, computed once in
// double.
class RopeTable {
 public:
  // One frequency for each pair of dimensions. With a factor other than 1 a
  // turn scales the vector by it, too.
  RopeTable(int64_t max_positions, absl::Span<const double> frequencies,
            double factor = 1);
  // Of the frequencies theta^(-2i/head_dim).
  RopeTable(int64_t max_positions, int64_t head_dim, double theta);
  int64_t head_dim() const { return head_dim_; }
  const float* cos(int64_t position) const { return &cos_[position * half_]; }
  const float* sin(int64_t position) const { return &sin_[position * half_]; }

 private:
  int64_t head_dim_, half_;
  std::vector<float> cos_, sin_;  // [max_positions, head_dim/2]
};

// kBackward turns by -angle (with the same factor): the gradient
enum class Turn { kForward, kBackward };

struct RopeArgs {
  // [rows, row_stride]; the first heads*head_dim numbers of each row are turned
  // in place
  float* x;
  const int32_t* positions;  // [rows]
  const RopeTable* table;
  int64_t rows, heads, row_stride;
  Turn turn = Turn::kForward;
};
void Rope(const CpuContext& context, const RopeArgs& args);
void Rope(const ReferenceContext&, const RopeArgs& args);
inline void Rope(const Context& context, const RopeArgs& args) {
  context.Visit([&](const auto& device) { Rope(device, args); });
}

}  // namespace aha::ops
