#include <utility>

#include "ops/head.h"
#include "ops/head_tiles.h"

namespace aha::ops {

PackedHead::PackedHead(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PackedHead::PackedHead(PackedHead&&) noexcept = default;
PackedHead& PackedHead::operator=(PackedHead&&) noexcept = default;
PackedHead::~PackedHead() = default;
int64_t PackedHead::vocab() const { return impl_->vocab; }
int64_t PackedHead::hidden() const { return impl_->hidden; }
DType PackedHead::dtype() const { return impl_->dtype; }

absl::StatusOr<PackedHead> PackedHead::Create(int64_t vocab, int64_t hidden,
                                              DType dtype) {
  auto impl = std::make_unique<Impl>();
  impl->vocab = vocab;
  impl->hidden = hidden;
  impl->dtype = dtype;
  int64_t begin = 0;
  do {
    absl::StatusOr<PackedPanel> tile =
        PackedPanel::Create(hidden, std::min(kHeadTile, vocab - begin), dtype);
    if (!tile.ok()) return tile.status();
    impl->tiles.push_back(*std::move(tile));
    begin += kHeadTile;
  } while (begin < vocab);
  return PackedHead(std::move(impl));
}

void PackedHead::Pack(const CpuContext& context, const void* w) {
  Impl& p = *impl_;
  context.pool->For(static_cast<int64_t>(p.tiles.size()), [&](int64_t t) {
    p.tiles[t].Pack(ElementAt(w, t * kHeadTile * p.hidden, p.dtype), p.hidden,
                    PackedMatrix::Source::kTransposed);
  });
}

void HeadScore(const CpuContext& context, const HeadScoreArgs& args) {
  const int64_t tiles = HeadTiles(*args.head);
  const float inv = InverseTemperature(args.temperature);
  std::vector<TileSums> sums(static_cast<size_t>(args.rows * tiles));
  std::vector<float> targets(static_cast<size_t>(args.rows));
  ForTiles(context, *args.head, args.x, args.rows,
           [&](int64_t row, int64_t tile, float* logits) {
             const int64_t n = args.head->impl().tiles[tile].n();
             Simd().scale_logits(logits, inv, n);
             sums[row * tiles + tile] = Simd().sum_tile(logits, n, nullptr);
             const int64_t target = args.tokens[row] - tile * kHeadTile;
             if (target >= 0 && target < n) targets[row] = logits[target];
           });
  const int64_t blocks = (args.rows + kCombineRows - 1) / kCombineRows;
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
