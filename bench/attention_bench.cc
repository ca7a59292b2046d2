// Benchmarks attention: a decode step, a training pass and its gradient.
#include <cstdint>
#include <vector>

#include "base/ceil_div.h"
#include "bench/meter.h"
#include "ops/attention.h"

namespace aha::ops {
namespace {

// A batch of equally long sequences in a paged cache.
struct Sequences {
  Sequences(int64_t count, int64_t length, int64_t heads, int64_t kv_heads,
            int64_t dim)
      : heads(heads),
        stride((heads + 2 * kv_heads) * dim),
        qkv(Floats(count * length * stride)),
        per(CeilDiv(length, kBlockTokens)),
        k(Numbers(count * per * kv_heads * kBlockTokens * dim)),
        v(k),
        out(count * length * heads * dim),
        cache{k.data(), v.data(), kv_heads, dim, DType::kBf16} {
    for (int64_t i = 0; i < count * per; ++i) {
      table.push_back(static_cast<int32_t>(i));
    }
    for (int64_t s = 0; s < count; ++s) {
      const int32_t* blocks = &table[s * per];
      whole.push_back({blocks, s * length, length, 0});
      last.push_back({blocks, s, 1, length - 1});
    }
  }
  AttentionArgs Args(const std::vector<SequenceRows>& rows, float* lse) {
    return {qkv.data(), stride, cache, rows, heads, 0.1f, out.data(), lse};
  }
  int64_t heads, stride;
  std::vector<float> qkv;
  int64_t per;
  std::vector<Bf16> k, v, out;
  KvBlocks cache;
  std::vector<int32_t> table;
  std::vector<SequenceRows> whole, last;
};

// The columns are sequences, length, heads, kv_heads and dim.
Sequences SequencesOf(const benchmark::State& state) {
  return Sequences(state.range(0), state.range(1), state.range(2),
                   state.range(3), state.range(4));
}

void AttentionDecode(benchmark::State& state) {
  Sequences s = SequencesOf(state);
  Meter meter(state);
  for (auto _ : state) Attention(BenchContext(), s.Args(s.last, nullptr));
  meter.Flops(4.0 * state.range(0) * state.range(1) * state.range(2) *
              state.range(4));
  CountRows(state, state.range(0));
}
BENCHMARK(AttentionDecode)
    ->Args({512, 40, 4, 4, 32})
    ->Args({512, 40, 4, 2, 32})
    ->Args({64, 200, 9, 3, 64})
    ->Args({64, 1000, 9, 3, 64})
    ->Args({16, 40, 4, 4, 32})
    ->Args({2, 200, 9, 3, 64})
    ->UseRealTime();

void AttentionTraining(benchmark::State& state) {
  Sequences s = SequencesOf(state);
  Meter meter(state);
  for (auto _ : state) Attention(BenchContext(), s.Args(s.whole, nullptr));
  meter.Flops(2.0 * state.range(0) * state.range(1) * state.range(1) *
              state.range(2) * state.range(4));
  CountRows(state, state.range(0) * state.range(1));
}
BENCHMARK(AttentionTraining)
    ->Args({50, 40, 4, 4, 32})
    ->Args({4, 200, 9, 3, 64})
    ->Args({1, 1000, 9, 3, 64})
    ->UseRealTime();

void AttentionBackward(benchmark::State& state) {
  Sequences s = SequencesOf(state);
  const int64_t rows = state.range(0) * state.range(1);
  std::vector<float> lse(rows * s.heads), dqkv(s.qkv.size());
  const auto dout = Floats(rows * s.heads * state.range(4));
  Attention(BenchContext(), s.Args(s.whole, lse.data()));
  Meter meter(state);
  for (auto _ : state) {
    AttentionGrad(BenchContext(),
                  {s.qkv.data(), s.stride, s.cache, s.whole, s.heads, 0.1f,
                   s.out.data(), lse.data(), dout.data(), dqkv.data(),
                   dqkv.data() + s.heads * state.range(4),
                   dqkv.data() + (s.heads + state.range(3)) * state.range(4)});
  }
  meter.Flops(5.0 * state.range(0) * state.range(1) * state.range(1) *
              state.range(2) * state.range(4));
  CountRows(state, rows);
}
BENCHMARK(AttentionBackward)
    ->Args({50, 40, 4, 4, 32})
    ->Args({4, 200, 9, 3, 64})
    ->Args({1, 1000, 9, 3, 64})
    ->UseRealTime();

}  // namespace
}  // namespace aha::ops
