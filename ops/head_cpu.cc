#include <utility>

#include "base/ceil_div.h"
#include "ops/head.h"
#include "ops/head_tiles.h"

namespace aha::ops {

absl::StatusOr<std::unique_ptr<PackedHead::Storage>> NewHeadStorage(
    const CpuContext&, int64_t vocab, int64_t hidden, DType dtype) {
  auto head = std::make_unique<CpuHead>();
  head->hidden = hidden;
  head->dtype = dtype;
  for (int64_t begin = 0; begin < vocab; begin += kHeadTile) {
    absl::StatusOr<PackedPanel> tile =
        PackedPanel::Create(hidden, std::min(kHeadTile, vocab - begin), dtype);
    if (!tile.ok()) return tile.status();
    head->tiles.push_back(*std::move(tile));
  }
  return std::unique_ptr<PackedHead::Storage>(std::move(head));
}

void PackInto(const CpuContext& context, const void* w,
              PackedHead::Storage* storage) {
  auto& head = static_cast<CpuHead&>(*storage);
  context.pool->For(static_cast<int64_t>(head.tiles.size()), [&](int64_t t) {
    head.tiles[t].Pack(ElementAt(w, t * kHeadTile * head.hidden, head.dtype),
                       head.hidden, PackedMatrix::Source::kTransposed);
  });
}

void HeadScore(const CpuContext& context, const HeadScoreArgs& args) {
  const int64_t tiles = HeadTiles(*args.head);
  const float inv = InverseTemperature(args.temperature);
  std::vector<TileSums> sums(static_cast<size_t>(args.rows * tiles));
  std::vector<float> targets(static_cast<size_t>(args.rows));
  ForTiles(context, *args.head, args.x, args.rows,
           [&](int64_t row, int64_t tile, float* logits) {
             const int64_t n = CpuHeadOf(*args.head).tiles[tile].n();
             Simd().scale_logits(logits, inv, n);
             sums[row * tiles + tile] = Simd().sum_tile(logits, n, nullptr);
             const int64_t target = args.tokens[row] - tile * kHeadTile;
             if (target >= 0 && target < n) targets[row] = logits[target];
           });
  const int64_t blocks = CeilDiv(args.rows, kCombineRows);
  context.pool->For(blocks, [&](int64_t b) {
    const int64_t end = std::min(args.rows, (b + 1) * kCombineRows);
    for (int64_t r = b * kCombineRows; r < end; ++r) {
      RowSums row;
      for (int64_t t = 0; t < tiles; ++t) row.Add(sums[r * tiles + t]);
      args.logprobs[r] = row.Logprob(targets[r]);
      if (args.entropies != nullptr) args.entropies[r] = row.Entropy();
      if (args.log_sum_exp != nullptr) {
        args.log_sum_exp[r] = static_cast<float>(row.log_sum_exp());
      }
    }
  });
}

}  // namespace aha::ops
