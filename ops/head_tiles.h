// Computes the head's logits on the CPU, one tile of the vocabulary at a time.
// The bodies of HeadSample, HeadScore and HeadGrad use it, so that the logits
// of sampling and training have the same bits. Internal to ops/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/ceil_div.h"
#include "ops/gemm.h"
#include "ops/head.h"
#include "ops/scalar_math.h"
#include "ops/scratch.h"
#include "ops/simd_table.h"

namespace aha::ops {

// The CPU's copy of a head: a packed panel for each tile of kHeadTile rows of
// w; the last tile may have fewer rows.
struct CpuHead final : PackedHead::Storage {
  int64_t hidden;
  DType dtype;
  std::vector<PackedPanel> tiles;
};

inline const CpuHead& CpuHeadOf(const PackedHead& head) {
  return static_cast<const CpuHead&>(head.storage());
}

inline int64_t HeadTiles(const PackedHead& head) {
  return static_cast<int64_t>(CpuHeadOf(head).tiles.size());
}

inline float InverseTemperature(float temperature) {
  return temperature > 0 ? 1.f / temperature : 1.f;
}

// Adds up the sums of a row's tiles to those of the row: log-sum-exp and
// entropy over the whole vocabulary.
class RowSums {
 public:
  // REQUIRES: tiles in ascending order.
  void Add(const TileSums& tile) {
    const double max = tile.max;
    if (max > max_) {
      Rescale(ExpOf(max_ - max), max_ - max);
      max_ = max;
    }
    const double factor = ExpOf(max - max_), shift = max - max_;
    sum_ += factor * tile.sum;
    if (factor > 0) weighted_ += factor * (tile.weighted + shift * tile.sum);
    // A logit of -inf or NaN makes only `weighted` a NaN; it must reach the
    // sum.
    if (tile.weighted != tile.weighted) sum_ = tile.weighted;
  }
  double log_sum_exp() const { return max_ + Ln(sum_); }
  float Logprob(float logit) const {
    return static_cast<float>(double{logit} - log_sum_exp());
  }
  float Entropy() const {
    return static_cast<float>(Ln(sum_) - weighted_ / sum_);
  }

 private:
  void Rescale(double factor, double shift) {
    if (sum_ == 0) return;  // Nothing was added yet, and shift is -inf.
    weighted_ = factor * (weighted_ + shift * sum_);
    sum_ *= factor;
  }

  double max_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0;
  // Relative to max_, as TileSums::weighted is to its own max.
  double weighted_ = 0;
};

// Calls body(row, tile, logits) once for each row and each tile, in any order
// and from several threads. `logits` [entries of the tile] are the products of
// the row with the tile, not yet divided by the temperature; the body may
// overwrite them.
template <class F>
void ForTiles(const CpuContext& context, const PackedHead& head, const void* x,
              int64_t rows, F&& body) {
  const CpuHead& h = CpuHeadOf(head);
  const int64_t tiles = HeadTiles(head);
  // Halves the rows of a task until there are four tasks for each thread.
  const int64_t enough = 4 * context.pool->threads();
  int64_t block = kMaxGemmRows;
  while (block > 16 && tiles * CeilDiv(rows, block) < enough) {
    block /= 2;
  }
  const int64_t blocks = CeilDiv(rows, block);
  context.pool->For(tiles * blocks, [&](int64_t i) {
    const int64_t tile = i / blocks, begin = i % blocks * block;
    const int64_t n = std::min(block, rows - begin);
    float* logits = ThreadScratch(0, n * kHeadTile);
    const int64_t width = h.tiles[tile].n();
    Gemm(h.tiles[tile], ElementAt(x, begin * h.hidden, h.dtype), logits, width,
         n, Into::kOverwrite);
    for (int64_t r = 0; r < n; ++r) {
      body(begin + r, tile, logits + r * width);
    }
  });
}

// The number of rows that one task combines.
constexpr int64_t kCombineRows = 32;

}  // namespace aha::ops
