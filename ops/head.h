// The output head, fused: logits never exist for more than a tile of the
// vocabulary, and one routine serves sampling and the loss, so that both see
// the same log-probability bits.
//
//   logits[r, v] = x[r] . w[v] * inv_temperature[r]
//   log_sum_exp[r] = ln sum_v exp(logits[r, v])
//   logprob[r]   = logits[r, token[r]] - log_sum_exp[r]
//   entropy[r]   = log_sum_exp[r] - sum_v p[r, v] logits[r, v]
//
// The vocabulary is walked in tiles of kHeadTile, combined in ascending order
// whatever the threads.  Sampling is exact and needs one draw a tile (as in
// Gumbel-max over groups): a tile competes with ln(its mass) + Gumbel(key,
// tile), and the token inside the winner is taken by inversion.  Of a row's
// key, number 2t is tile t's Gumbel draw and number 2t + 1 its inversion. top_k
// is applied first, then top_p to the mass of what it left; both only exclude
// tokens from the same competition.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/types/span.h"
#include "base/rng.h"
#include "device/context.h"
#include "device/dtype.h"
#include "ops/matmul.h"

namespace aha::ops {

constexpr int64_t kHeadTile = 1024;

// The head's matrix, packed by tiles.
class PackedHead {
 public:
  static absl::StatusOr<PackedHead> Create(int64_t vocab, int64_t hidden,
                                           DType dtype);
  PackedHead(PackedHead&&) noexcept;
  PackedHead& operator=(PackedHead&&) noexcept;
  ~PackedHead();
  void Pack(const CpuContext& context,
            const void* w);  // [vocab, hidden], dtype
  int64_t vocab() const;
  int64_t hidden() const;
  DType dtype() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit PackedHead(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// How the token of one row is drawn.
struct DrawArgs {
  RandomKey key;          // of this (group, sample, position)
  float temperature = 1;  // 0: arg-max (lowest id among equals).
  float top_p = 1;        // Below 1 or
  int32_t top_k = 0;      // above 0: only the kept tokens compete.
};

struct HeadSampleArgs {
  const void* x;  // [rows, hidden], dtype
  const PackedHead* head;
  int64_t rows;
  absl::Span<const DrawArgs> draws;  // [rows]
  int32_t* tokens;                   // [rows], drawn
  float* logprobs;                   // [rows], of the full distribution at the
                                     // row's temperature (at 1 if it is 0);
                                     // not finite if a logit was not
};
void HeadSample(const CpuContext& context, const HeadSampleArgs& args);

struct HeadScoreArgs {
  const void* x;  // [rows, hidden], dtype
  const PackedHead* head;
  int64_t rows;
  const int32_t* tokens;  // [rows], targets
  float temperature;      // 0 counts as 1
  float* logprobs;        // [rows]
  float* entropies;       // [rows]; may be null
  float* log_sum_exp;     // [rows]; may be null
};
void HeadScore(const CpuContext& context, const HeadScoreArgs& args);

// Reference of both: all logits in double.
struct RefHeadArgs {
  const void* x;  // [rows, hidden], dtype
  const void* w;  // [vocab, hidden], dtype
  int64_t rows, vocab, hidden;
  DType dtype;
  const int32_t* tokens;  // [rows]
  float temperature;
  float* logprobs;   // [rows]
  float* entropies;  // [rows]
};
void HeadScore(const RefContext&, const RefHeadArgs& args);

// dL/dx and dL/dw of L = sum_r dlogprob[r] * logprob[r].
struct HeadGradArgs {
  const void* x;  // [rows, hidden], dtype
  const PackedHead* head;
  const void* w;  // [vocab, hidden], dtype, what was packed
  int64_t rows;
  const int32_t* tokens;  // [rows]
  float temperature;
  const float* log_sum_exp;  // [rows], of HeadScore
  const float* dlogprob;     // [rows]
  float* dx;                 // [rows, hidden], overwritten
  float* dw;                 // [vocab, hidden], overwritten
  // If set, dw is [kHeadTile, hidden] and a tile stands there at a time: takes
  // rows [first, first + rows) of dL/dw, in ascending order.
  std::function<void(int64_t first, int64_t rows)> take_tile = nullptr;
};
void HeadGrad(const CpuContext& context, const HeadGradArgs& args);

}  // namespace aha::ops
