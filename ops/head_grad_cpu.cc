#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "base/ceil_div.h"
#include "device/buffer.h"
#include "ops/head.h"
#include "ops/head_tiles.h"
#include "ops/rows.h"

namespace aha::ops {
namespace {

// Computes dlogits of every row in one tile, rounded to the format of the
// GEMMs.
void TileGrad(const CpuContext& context, const HeadGradArgs& args, int64_t tile,
              std::byte* dlogits) {
  const CpuHead& head = CpuHeadOf(*args.head);
  const PackedPanel& panel = head.tiles[tile];
  const float inv = InverseTemperature(args.temperature);
  constexpr int64_t kRows = 32;
  context.pool->For(CeilDiv(args.rows, kRows), [&](int64_t b) {
    const int64_t begin = b * kRows, n = std::min(kRows, args.rows - begin);
    float* logits = ThreadScratch(0, n * kHeadTile);
    Gemm(panel, ElementAt(args.x, begin * head.hidden, head.dtype), logits,
         panel.n(), n, Into::kOverwrite);
    for (int64_t r = begin; r < begin + n; ++r) {
      const std::byte* out = ElementAt(dlogits, r * panel.n(), head.dtype);
      Simd().dlogits(logits + (r - begin) * panel.n(), inv, args.log_sum_exp[r],
                     args.dlogprob[r] * inv, args.tokens[r] - tile * kHeadTile,
                     const_cast<std::byte*>(out), panel.n(), head.dtype);
    }
  });
}

// The shapes were good for PackedHead::Create, so they are here.
PackedMatrix NewMatrix(const CpuContext& context, int64_t k, int64_t n,
                       DType dtype) {
  absl::StatusOr<PackedMatrix> matrix =
      PackedMatrix::Create(context, k, n, dtype);
  if (!matrix.ok()) {
    std::fprintf(stderr, "aha: HeadGrad: %s\n",
                 matrix.status().ToString().c_str());
    std::abort();
  }
  return *std::move(matrix);
}

}  // namespace

void HeadGrad(const CpuContext& context, const HeadGradArgs& args) {
  const CpuHead& head = CpuHeadOf(*args.head);
  const int64_t tiles = HeadTiles(*args.head), hidden = head.hidden;
  Buffer dlogits(static_cast<size_t>(args.rows * kHeadTile) *
                 SizeOf(head.dtype));
  std::unique_ptr<PackedMatrix> w;  // The rows of one tile as B in dx = dl w.
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t n = head.tiles[tile].n();
    const std::byte* rows =
        ElementAt(args.w, tile * kHeadTile * hidden, head.dtype);
    float* dw = args.dw + (args.take_tile ? 0 : tile * kHeadTile * hidden);
    TileGrad(context, args, tile, dlogits.data());
    MatmulGradWeight(context, {.dy = dlogits.data(),
                               .x = args.x,
                               .dw = dw,
                               .m = args.rows,
                               .n = n,
                               .k = hidden,
                               .dtype = head.dtype});
    if (args.take_tile) args.take_tile(tile * kHeadTile, n);
    if (w == nullptr || w->k() != n) {
      w = std::make_unique<PackedMatrix>(
          NewMatrix(context, n, hidden, head.dtype));
    }
    w->Pack(context, rows, PackedMatrix::Source::kPlain);
    Matmul(context, {.x = dlogits.data(),
                     .b = w.get(),
                     .y = args.dx,
                     .m = args.rows,
                     .into = tile == 0 ? Into::kOverwrite : Into::kAdd});
  }
}

}  // namespace aha::ops
