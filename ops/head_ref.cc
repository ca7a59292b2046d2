// The definition of the head: all logits of a row in double, then the sums.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "device/buffer.h"
#include "ops/head.h"
#include "ops/ref.h"

namespace aha::ops {
namespace {

// w [vocab, hidden] as it came.
struct ReferenceHead final : PackedHead::Storage {
  int64_t count;
  DType dtype;
  Buffer elements;
};

// The logits of one row of x, divided by its temperature.
void RowLogits(const PackedHead& head, const void* x, int64_t row,
               double temperature, std::vector<double>* logits) {
  const void* w =
      static_cast<const ReferenceHead&>(head.storage()).elements.data();
  const double inv = temperature > 0 ? 1 / temperature : 1;
  logits->resize(static_cast<size_t>(head.vocab()));
  WithType(head.dtype(), [&]<class T>() {
    const T* from = static_cast<const T*>(x) + row * head.hidden();
    for (int64_t v = 0; v < head.vocab(); ++v) {
      const T* weights = static_cast<const T*>(w) + v * head.hidden();
      double dot = 0;
      for (int64_t c = 0; c < head.hidden(); ++c) {
        dot += double{ToFloat(from[c])} * ToFloat(weights[c]);
      }
      (*logits)[v] = dot * inv;
    }
  });
}

struct RowStatistics {
  double log_sum_exp, entropy;
};

// Neither is a number if a logit is not finite: also if one is -inf, which
// would otherwise only be a token without mass.
RowStatistics StatisticsOf(const std::vector<double>& logits) {
  double max = -std::numeric_limits<double>::infinity();
  for (const double l : logits) max = std::max(max, l);
  double sum = 0, weighted = 0;
  for (const double l : logits) {
    sum += std::exp(l - max);
    weighted += std::exp(l - max) * (l - max);
  }
  if (std::isnan(weighted)) sum = weighted;
  return {max + std::log(sum), std::log(sum) - weighted / sum};
}

// By falling logit; among equals the lowest id first.
std::vector<int32_t> SortedIds(const std::vector<double>& logits) {
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  return ids;
}

// Which tokens may be drawn: top_k first, then top_p of what top_k kept.
// REQUIRES: finite logits.
std::vector<bool> KeptTokens(const DrawArgs& draw,
                             const std::vector<double>& logits) {
  std::vector<bool> kept(logits.size(), true);
  const bool filtered =
      draw.temperature > 0 && (draw.top_k > 0 || draw.top_p < 1);
  if (!filtered) return kept;
  std::vector<int32_t> ids = SortedIds(logits);
  if (draw.top_k > 0 && static_cast<size_t>(draw.top_k) < ids.size()) {
    ids.resize(static_cast<size_t>(draw.top_k));
  }
  if (draw.top_p < 1) {
    double total = 0, mass = 0;
    for (const int32_t id : ids) total += std::exp(logits[id] - logits[ids[0]]);
    size_t count = 0;
    while (count < ids.size() && mass < draw.top_p * total) {
      mass += std::exp(logits[ids[count++]] - logits[ids[0]]);
    }
    ids.resize(std::max<size_t>(count, 1));
  }
  kept.assign(logits.size(), false);
  for (const int32_t id : ids) kept[id] = true;
  return kept;
}

// One tile's entry into the row's competition, and the token it would give.
struct TileEntry {
  double score = -std::numeric_limits<double>::infinity();
  int64_t token = -1;  // None: no token of the tile is kept.
};

TileEntry Compete(const DrawArgs& draw, const std::vector<double>& logits,
                  const std::vector<bool>& kept, int64_t tile) {
  const int64_t begin = tile * kHeadTile;
  const int64_t end =
      std::min(begin + kHeadTile, static_cast<int64_t>(logits.size()));
  TileEntry entry;
  double max = -std::numeric_limits<double>::infinity();
  for (int64_t v = begin; v < end; ++v) {
    if (!kept[v] || (entry.token >= 0 && !(logits[v] > max))) continue;
    max = logits[v];
    entry.token = v;
  }
  if (entry.token < 0) return entry;
  entry.score = max;
  if (!(draw.temperature > 0)) return entry;
  double mass = 0;
  for (int64_t v = begin; v < end; ++v) {
    if (kept[v]) mass += std::exp(logits[v] - max);
  }
  const auto uniform = [&](int64_t number) {
    return double{draw.key.Uniform(static_cast<uint64_t>(number))};
  };
  entry.score += std::log(mass) - std::log(-std::log(uniform(2 * tile)));
  const double goal = uniform(2 * tile + 1) * mass;
  double passed = 0;
  for (int64_t v = begin; v < end && passed <= goal; ++v) {
    if (!kept[v]) continue;
    passed += std::exp(logits[v] - max);
    entry.token = v;
  }
  return entry;
}

int32_t Draw(const DrawArgs& draw, const std::vector<double>& logits) {
  const bool finite = std::isfinite(StatisticsOf(logits).log_sum_exp);
  const std::vector<bool> kept = finite
                                     ? KeptTokens(draw, logits)
                                     : std::vector<bool>(logits.size(), true);
  TileEntry best;
  const int64_t vocab = static_cast<int64_t>(logits.size());
  for (int64_t tile = 0; tile * kHeadTile < vocab; ++tile) {
    const TileEntry entry = Compete(draw, logits, kept, tile);
    if (entry.token < 0) continue;
    if (best.token < 0 || entry.score > best.score) best = entry;
  }
  return static_cast<int32_t>(best.token);
}

// dL/dlogits of one tile for every row, in double.
class TileGradient {
 public:
  explicit TileGradient(const HeadGradArgs& args) : args_(args) {}

  // dlogits()[r * n + i] of token first + i, i < n.
  void Compute(int64_t first, int64_t n) {
    dlogits_.assign(static_cast<size_t>(args_.rows * n), 0);
    std::vector<double> logits;
    const double inv =
        args_.temperature > 0 ? 1 / double{args_.temperature} : 1;
    for (int64_t r = 0; r < args_.rows; ++r) {
      RowLogits(*args_.head, args_.x, r, args_.temperature, &logits);
      for (int64_t i = 0; i < n; ++i) {
        const double p = std::exp(logits[first + i] - args_.log_sum_exp[r]);
        const double hit = args_.tokens[r] == first + i ? 1 : 0;
        dlogits_[r * n + i] = args_.dlogprob[r] * inv * (hit - p);
      }
    }
  }
  const std::vector<double>& dlogits() const { return dlogits_; }

 private:
  const HeadGradArgs& args_;
  std::vector<double> dlogits_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PackedHead::Storage>> NewHeadStorage(
    const ReferenceContext&, int64_t vocab, int64_t hidden, DType dtype) {
  auto head = std::make_unique<ReferenceHead>();
  head->count = vocab * hidden;
  head->dtype = dtype;
  const size_t bytes = static_cast<size_t>(head->count) * SizeOf(dtype);
  std::fill_n(static_cast<std::byte*>(head->elements.Bytes(bytes)), bytes,
              std::byte{0});
  return std::unique_ptr<PackedHead::Storage>(std::move(head));
}

void PackInto(const ReferenceContext&, const void* w,
              PackedHead::Storage* storage) {
  auto& head = static_cast<ReferenceHead&>(*storage);
  const size_t bytes = static_cast<size_t>(head.count) * SizeOf(head.dtype);
  std::copy_n(static_cast<const std::byte*>(w), bytes, head.elements.data());
}

void HeadSample(const ReferenceContext&, const HeadSampleArgs& args) {
  std::vector<double> logits;
  for (int64_t r = 0; r < args.rows; ++r) {
    const DrawArgs& draw = args.draws[r];
    RowLogits(*args.head, args.x, r, draw.temperature, &logits);
    args.tokens[r] = Draw(draw, logits);
    args.logprobs[r] = static_cast<float>(logits[args.tokens[r]] -
                                          StatisticsOf(logits).log_sum_exp);
  }
}

void HeadScore(const ReferenceContext&, const HeadScoreArgs& args) {
  std::vector<double> logits;
  for (int64_t r = 0; r < args.rows; ++r) {
    RowLogits(*args.head, args.x, r, args.temperature, &logits);
    const RowStatistics row = StatisticsOf(logits);
    args.logprobs[r] =
        static_cast<float>(logits[args.tokens[r]] - row.log_sum_exp);
    if (args.entropies != nullptr) {
      args.entropies[r] = static_cast<float>(row.entropy);
    }
    if (args.log_sum_exp != nullptr) {
      args.log_sum_exp[r] = static_cast<float>(row.log_sum_exp);
    }
  }
}

void HeadGrad(const ReferenceContext&, const HeadGradArgs& args) {
  const PackedHead& head = *args.head;
  const int64_t hidden = head.hidden();
  TileGradient tile(args);
  std::vector<double> dx(static_cast<size_t>(args.rows * hidden));
  for (int64_t first = 0; first < head.vocab(); first += kHeadTile) {
    const int64_t n = std::min(kHeadTile, head.vocab() - first);
    float* dw = args.dw + (args.take_tile ? 0 : first * hidden);
    tile.Compute(first, n);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t c = 0; c < hidden; ++c) {
        const double w =
            RefLoad(args.w, (first + i) * hidden + c, head.dtype());
        double sum = 0;
        for (int64_t r = 0; r < args.rows; ++r) {
          const double d = tile.dlogits()[r * n + i];
          dx[r * hidden + c] += d * w;
          sum += d * RefLoad(args.x, r * hidden + c, head.dtype());
        }
        dw[i * hidden + c] = static_cast<float>(sum);
      }
    }
    if (args.take_tile) args.take_tile(first, n);
  }
  for (size_t i = 0; i < dx.size(); ++i) args.dx[i] = static_cast<float>(dx[i]);
}

}  // namespace aha::ops
