#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/attention.h"
#include "ops/ref.h"

namespace aha::ops {
namespace {

// Returns where position p of KV head h begins in the cache.
int64_t CacheAt(const KvBlocks& cache, const SequenceRows& sequence, int64_t p,
                int64_t h) {
  const int64_t block = sequence.blocks[p / kBlockTokens];
  return ((block * cache.kv_heads + h) * kBlockTokens + p % kBlockTokens) *
         cache.head_dim;
}

// Calls body(sequence, row, its position, query head, its KV head).
template <class Args, class F>
void ForQueries(const Args& a, F&& body) {
  const int64_t group = a.heads / a.cache.kv_heads;
  for (const SequenceRows& s : a.sequences) {
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t h = 0; h < a.heads; ++h) {
        body(s, s.first_row + r, s.first_position + r, h, h / group);
      }
    }
  }
}

// The first position that a row at `position` sees.
template <class Args>
int64_t FirstSeen(const Args& a, int64_t position) {
  return a.window == 0 ? 0 : std::max<int64_t>(0, position - a.window + 1);
}

// Of the keys from FirstSeen on.
template <class Args>
std::vector<double> Scores(const Args& a, const SequenceRows& s, int64_t row,
                           int64_t position, int64_t h, int64_t kv) {
  const int64_t dim = a.cache.head_dim;
  std::vector<double> scores;
  for (int64_t p = FirstSeen(a, position); p <= position; ++p) {
    const int64_t at = CacheAt(a.cache, s, p, kv);
    double dot = 0;
    for (int64_t d = 0; d < dim; ++d) {
      dot += a.q[row * a.row_stride + h * dim + d] *
             RefLoad(a.cache.k, at + d, a.cache.dtype);
    }
    scores.push_back(dot * a.scale);
  }
  return scores;
}

// Stores one head's key and value of row `r` of `s`.
void KvStoreHead(const KvStoreArgs& a, const SequenceRows& s, int64_t r,
                 int64_t h) {
  const int64_t dim = a.cache.head_dim;
  const int64_t to = CacheAt(a.cache, s, s.first_position + r, h);
  const int64_t from = (s.first_row + r) * a.row_stride + h * dim;
  for (int64_t d = 0; d < dim; ++d) {
    RefStore(a.cache.k, to + d, a.k[from + d], a.cache.dtype);
    RefStore(a.cache.v, to + d, a.v[from + d], a.cache.dtype);
  }
}

}  // namespace

void KvStore(const ReferenceContext&, const KvStoreArgs& a) {
  for (const SequenceRows& s : a.sequences) {
    for (int64_t r = 0; r < s.rows; ++r) {
      for (int64_t h = 0; h < a.cache.kv_heads; ++h) KvStoreHead(a, s, r, h);
    }
  }
}

void Attention(const ReferenceContext&, const AttentionArgs& a) {
  const int64_t dim = a.cache.head_dim;
  ForQueries(a, [&](const SequenceRows& s, int64_t row, int64_t position,
                    int64_t h, int64_t kv) {
    const std::vector<double> scores = Scores(a, s, row, position, h, kv);
    const int64_t first = FirstSeen(a, position);
    const double max = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - max);
    for (int64_t d = 0; d < dim; ++d) {
      double out = 0;
      for (int64_t p = first; p <= position; ++p) {
        out +=
            std::exp(scores[p - first] - max) / sum *
            RefLoad(a.cache.v, CacheAt(a.cache, s, p, kv) + d, a.cache.dtype);
      }
      RefStore(a.out, (row * a.heads + h) * dim + d, out, a.cache.dtype);
    }
    if (a.log_sum_exp != nullptr) {
      a.log_sum_exp[row * a.heads + h] =
          static_cast<float>(max + std::log(sum));
    }
  });
}

void AttentionGrad(const ReferenceContext&, const AttentionGradArgs& a) {
  const int64_t dim = a.cache.head_dim;
  for (const SequenceRows& s : a.sequences) {
    for (int64_t row = s.first_row; row < s.first_row + s.rows; ++row) {
      const int64_t at = row * a.row_stride;
      std::fill_n(a.dq + at, a.heads * dim, 0.f);
      std::fill_n(a.dk + at, a.cache.kv_heads * dim, 0.f);
      std::fill_n(a.dv + at, a.cache.kv_heads * dim, 0.f);
    }
  }
  ForQueries(a, [&](const SequenceRows& s, int64_t row, int64_t position,
                    int64_t h, int64_t kv) {
    const std::vector<double> scores = Scores(a, s, row, position, h, kv);
    const int64_t first = FirstSeen(a, position);
    const float* dout = a.dout + (row * a.heads + h) * dim;
    const int64_t q_at = row * a.row_stride + h * dim;
    double dot = 0;
    for (int64_t d = 0; d < dim; ++d) {
      dot += dout[d] *
             RefLoad(a.out, (row * a.heads + h) * dim + d, a.cache.dtype);
    }
    for (int64_t p = first; p <= position; ++p) {
      const double prob =
          std::exp(scores[p - first] - a.log_sum_exp[row * a.heads + h]);
      const int64_t at = CacheAt(a.cache, s, p, kv);
      const int64_t to = (s.first_row + p) * a.row_stride + kv * dim;
      double dprob = 0;
      for (int64_t d = 0; d < dim; ++d) {
        dprob += dout[d] * RefLoad(a.cache.v, at + d, a.cache.dtype);
      }
      const double ds = prob * (dprob - dot) * a.scale;
      for (int64_t d = 0; d < dim; ++d) {
        a.dq[q_at + d] +=
            static_cast<float>(ds * RefLoad(a.cache.k, at + d, a.cache.dtype));
        a.dk[to + d] += static_cast<float>(ds * a.q[q_at + d]);
        a.dv[to + d] += static_cast<float>(prob * dout[d]);
      }
    }
  });
}

}  // namespace aha::ops
