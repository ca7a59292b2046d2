// The output head, fused with the log-softmax: one routine serves sampling and
// the loss, so that both see the same log-probability bits, and logits never
// exist for more than a tile of the vocabulary.
//
//   logits[r, v] = x[r] . w[v] * inv_temperature[r]
//   log_sum_exp[r] = ln sum_v exp(logits[r, v])
//   logprob[r]   = logits[r, token[r]] - log_sum_exp[r]
//   entropy[r]   = log_sum_exp[r] - sum_v p[r, v] logits[r, v]
//
// The vocabulary is walked in tiles of kHeadTile, combined in ascending order
// whatever the number of threads.  Sampling is exact and needs one draw a tile
// (as in Gumbel-max over groups): a tile competes with ln(its mass) +
// Gumbel(key, tile), and the token inside the winning tile is taken by
// inversion.  Of a row's key, number 2t is tile t's Gumbel draw and number
// 2t + 1 its inversion.  top_k is applied first, then top_p to the mass that
// top_k left; both only exclude tokens from the same competition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/rng.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

constexpr int64_t kHeadTile = 1024;

// The head's matrix, in the layout that its device multiplies fastest.
// Thread-safe while no Pack runs.
class PackedHead {
 public:
  // A matrix of zeros on the context's device.  INVALID_ARGUMENT if vocab or
  // hidden is below 1.
  static absl::StatusOr<PackedHead> Create(const Context& context,
                                           int64_t vocab, int64_t hidden,
                                           DType dtype);
  // w: [vocab, hidden], dtype.  REQUIRES, here and in every op: the context is
  // of the device that Create got.
  void Pack(const Context& context, const void* w);
  int64_t vocab() const { return vocab_; }
  int64_t hidden() const { return hidden_; }
  DType dtype() const { return dtype_; }

  // What one device keeps of it; the device's body file derives from it.
  struct Storage {
    virtual ~Storage() = default;
  };
  const Storage& storage() const { return *storage_; }

 private:
  PackedHead(int64_t vocab, int64_t hidden, DType dtype,
             std::unique_ptr<Storage> storage)
      : vocab_(vocab),
        hidden_(hidden),
        dtype_(dtype),
        storage_(std::move(storage)) {}

  int64_t vocab_, hidden_;
  DType dtype_;
  std::unique_ptr<Storage> storage_;
};

// How the token of one row is drawn.
struct DrawArgs {
  RandomKey key;          // of this (group, sample, position)
  float temperature = 1;  // 0: arg-max (lowest id among equals).
  float top_p = 1;        // 1: keeps all tokens.
  int32_t top_k = 0;      // 0: keeps all tokens.
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
void HeadSample(const ReferenceContext&, const HeadSampleArgs& args);
inline void HeadSample(const Context& context, const HeadSampleArgs& args) {
  context.Visit([&](const auto& device) { HeadSample(device, args); });
}

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
void HeadScore(const ReferenceContext&, const HeadScoreArgs& args);
inline void HeadScore(const Context& context, const HeadScoreArgs& args) {
  context.Visit([&](const auto& device) { HeadScore(device, args); });
}

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
  // If set, dw is [kHeadTile, hidden] and holds one tile at a time: take_tile
  // is called with each range of rows [first, first + rows) of dL/dw, in
  // ascending order, while dw holds them.
  std::function<void(int64_t first, int64_t rows)> take_tile = nullptr;
};
void HeadGrad(const CpuContext& context, const HeadGradArgs& args);
void HeadGrad(const ReferenceContext&, const HeadGradArgs& args);
inline void HeadGrad(const Context& context, const HeadGradArgs& args) {
  context.Visit([&](const auto& device) { HeadGrad(device, args); });
}

// The part of PackedHead that a device's body file defines.
absl::StatusOr<std::unique_ptr<PackedHead::Storage>> NewHeadStorage(
    const CpuContext& context, int64_t vocab, int64_t hidden, DType dtype);
absl::StatusOr<std::unique_ptr<PackedHead::Storage>> NewHeadStorage(
    const ReferenceContext& context, int64_t vocab, int64_t hidden,
    DType dtype);
void PackInto(const CpuContext& context, const void* w,
              PackedHead::Storage* storage);
void PackInto(const ReferenceContext& context, const void* w,
              PackedHead::Storage* storage);

}  // namespace aha::ops
