// The CPU body of HeadSample (head.h). In each pass every tile of every row
// produces an Entry; the entries of a row then compete. Rows with top_p or
// top_k keep all their logits, and DrawFiltered repeats the competition among
// the kept tokens.
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/ceil_div.h"
#include "ops/head.h"
#include "ops/head_tiles.h"

namespace aha::ops {
namespace {

// The entry of one tile in a row's competition.
struct Entry {
  TileSums sums;
  // The tile with the highest score wins; among equals, the first one.
  double score;
  int32_t token;  // The token that the tile would give,
  float logit;    // and that token's logit.
};

bool IsGreedy(const DrawArgs& draw) { return !(draw.temperature > 0); }

bool IsFiltered(const DrawArgs& draw) {
  return !IsGreedy(draw) && (draw.top_p < 1 || draw.top_k > 0);
}

// Number 2t of the key is tile t's Gumbel draw, number 2t+1 its inversion.
double Gumbel(const RandomKey& key, int64_t tile) {
  return -Ln(-Ln(key.Uniform(2 * static_cast<uint64_t>(tile))));
}
int64_t Invert(const RandomKey& key, int64_t tile, const float* exps,
               int64_t n) {
  return Simd().pick(exps, n, key.Uniform(2 * static_cast<uint64_t>(tile) + 1));
}

Entry Compete(const DrawArgs& draw, int64_t tile, const float* logits,
              int64_t n) {
  float exps[kHeadTile];
  Entry entry;
  entry.sums = Simd().sum_tile(logits, n, exps);
  int64_t index = 0;
  if (IsGreedy(draw)) {
    entry.score = entry.sums.max;
    index = Simd().first_equal(logits, n, entry.sums.max);
  } else {
    entry.score = entry.sums.max + Ln(entry.sums.sum) + Gumbel(draw.key, tile);
    index = Invert(draw.key, tile, exps, n);
  }
  entry.token = static_cast<int32_t>(tile * kHeadTile + index);
  entry.logit = logits[index];
  return entry;
}

// Orders by higher logit, then by lower id: a total order if none is NaN.
struct ByLogit {
  const float* logits;
  bool operator()(int32_t a, int32_t b) const {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  }
};

// Moves the best `count` of `ids` to the front, in order.
void SortBest(std::vector<int32_t>& ids, int64_t count, const ByLogit& order) {
  if (count < static_cast<int64_t>(ids.size())) {
    std::nth_element(ids.begin(), ids.begin() + count, ids.end(), order);
  }
  std::sort(
      ids.begin(),
      ids.begin() + std::min<int64_t>(count, static_cast<int64_t>(ids.size())),
      order);
}

// Keeps the fewest best ids whose mass reaches top_p of the mass of all `ids`.
void KeepTopP(std::vector<int32_t>& ids, float top_p, const ByLogit& order) {
  const float* logits = order.logits;
  float max = -std::numeric_limits<float>::infinity();
  for (const int32_t id : ids) max = std::max(max, logits[id]);
  double total = 0;
  for (const int32_t id : ids) total += ExpOf(double{logits[id]} - max);
  const double goal = top_p * total;
  const int64_t all = static_cast<int64_t>(ids.size());
  // The nucleus is usually small, and sorting everything is slow.
  for (int64_t count = 64;; count *= 16) {
    count = std::min(count, all);
    SortBest(ids, count, order);
    double mass = 0;
    for (int64_t i = 0; i < count; ++i) {
      mass += ExpOf(double{logits[ids[i]]} - max);
      if (mass >= goal) {
        ids.resize(static_cast<size_t>(i) + 1);
        return;
      }
    }
    if (count == all) return;
  }
}

// Draws like Compete, but among the kept tokens only. REQUIRES: finite logits.
Entry DrawFiltered(const DrawArgs& draw, const float* logits, int64_t vocab) {
  std::vector<int32_t> ids(static_cast<size_t>(vocab));
  std::iota(ids.begin(), ids.end(), 0);
  const ByLogit order{logits};
  if (draw.top_k > 0 && draw.top_k < vocab) {
    SortBest(ids, draw.top_k, order);
    ids.resize(static_cast<size_t>(draw.top_k));
  }
  if (draw.top_p < 1) KeepTopP(ids, draw.top_p, order);
  std::sort(ids.begin(), ids.end());
  Entry best{};
  best.score = -std::numeric_limits<double>::infinity();
  best.token = ids[0];
  float kept[kHeadTile];
  for (size_t i = 0; i < ids.size();) {
    const int64_t tile = ids[i] / kHeadTile, begin = tile * kHeadTile;
    const int64_t n = std::min(kHeadTile, vocab - begin);
    std::fill_n(kept, n, -std::numeric_limits<float>::infinity());
    for (; i < ids.size() && ids[i] < begin + n; ++i) {
      kept[ids[i] - begin] = logits[ids[i]];
    }
    const Entry entry = Compete(draw, tile, kept, n);
    if (entry.score > best.score) best = entry;
  }
  best.logit = logits[best.token];
  return best;
}

// The rows of one pass, and the logits of those rows that need all of them.
struct Pass {
  const HeadSampleArgs& args;
  int64_t begin, rows;
  std::vector<Entry> entries;    // [rows, tiles]
  std::vector<int64_t> kept_at;  // [rows]: row in `kept`, or -1.
  std::vector<float> kept;       // [filtered rows, vocab]
};

void FinishRow(const Pass& pass, int64_t r) {
  const HeadSampleArgs& args = pass.args;
  const int64_t tiles = HeadTiles(*args.head), vocab = args.head->vocab();
  const Entry* entries = &pass.entries[r * tiles];
  RowSums sums;
  const Entry* best = &entries[0];
  for (int64_t t = 0; t < tiles; ++t) {
    sums.Add(entries[t].sums);
    if (entries[t].score > best->score) best = &entries[t];
  }
  Entry drawn = *best;
  const int64_t row = pass.begin + r;
  if (pass.kept_at[r] >= 0 && std::isfinite(sums.log_sum_exp())) {
    drawn = DrawFiltered(args.draws[row], &pass.kept[pass.kept_at[r] * vocab],
                         vocab);
  }
  args.tokens[row] = drawn.token;
  args.logprobs[row] = sums.Logprob(drawn.logit);
}

void SamplePass(const CpuContext& context, Pass& pass) {
  const HeadSampleArgs& args = pass.args;
  const PackedHead& head = *args.head;
  const int64_t tiles = HeadTiles(head), vocab = head.vocab();
  pass.entries.resize(static_cast<size_t>(pass.rows * tiles));
  int64_t filtered = 0;
  for (int64_t r = 0; r < pass.rows; ++r) {
    const bool keep = IsFiltered(args.draws[pass.begin + r]);
    pass.kept_at.push_back(keep ? filtered++ : -1);
  }
  pass.kept.resize(static_cast<size_t>(filtered * vocab));
  const void* x = ElementAt(args.x, pass.begin * head.hidden(), head.dtype());
  ForTiles(
      context, head, x, pass.rows, [&](int64_t r, int64_t tile, float* logits) {
        const DrawArgs& draw = args.draws[pass.begin + r];
        const int64_t n = CpuHeadOf(head).tiles[tile].n();
        Simd().scale_logits(logits, InverseTemperature(draw.temperature), n);
        pass.entries[r * tiles + tile] = Compete(draw, tile, logits, n);
        if (pass.kept_at[r] >= 0) {
          std::copy_n(logits, n,
                      &pass.kept[pass.kept_at[r] * vocab + tile * kHeadTile]);
        }
      });
  const int64_t blocks = CeilDiv(pass.rows, kCombineRows);
  context.pool->For(blocks, [&](int64_t b) {
    const int64_t end = std::min(pass.rows, (b + 1) * kCombineRows);
    for (int64_t r = b * kCombineRows; r < end; ++r) FinishRow(pass, r);
  });
}

}  // namespace

void HeadSample(const CpuContext& context, const HeadSampleArgs& args) {
  // This bounds the memory for kept logits: 256 rows of 49152 are 50 MB.
  constexpr int64_t kPassRows = 256;
  for (int64_t begin = 0; begin < args.rows; begin += kPassRows) {
    Pass pass{args, begin, std::min(kPassRows, args.rows - begin), {}, {}, {}};
    SamplePass(context, pass);
  }
}

}  // namespace aha::ops
