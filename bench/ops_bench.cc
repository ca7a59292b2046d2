// The kernels of ops/ at the shapes of two models, against this machine's peak.
//
//   ops_bench                        the table
//   ops_bench --benchmark_filter=X   some of it
//
// `peak` is a loop of independent fused multiply-adds in registers on every
// thread; run it in the same breath as what is compared with it (the machine
// has neighbours).  GFLOP/s counts useful work: no padding, no recomputation.
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <ctime>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "benchmark/benchmark.h"
#include "ops/adamw.h"
#include "ops/attention.h"
#include "ops/head.h"
#include "ops/isa.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace aha::ops {
namespace {

constexpr int kThreads = 2;

CpuContext Context() {
  static ThreadPool* pool = new ThreadPool(kThreads);
  return {pool};
}

std::vector<Bf16> Numbers(int64_t count) {
  const RandomKey key(1, RandomPurpose::kTest);
  std::vector<Bf16> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = ToBf16(key.Uniform(i) - 0.5f);
  }
  return out;
}

std::vector<float> Floats(int64_t count) {
  const RandomKey key(2, RandomPurpose::kTest);
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) out[i] = key.Uniform(i) - 0.5f;
  return out;
}

// Starts with the timed loop.
class Meter {
 public:
  explicit Meter(benchmark::State& state)
      : state_(state), start_(std::clock()) {}
  // Of one iteration.
  void Flops(double flops) { Report(flops, "GFLOP/s"); }
  void Items(double items) { Report(items, "Gitem/s"); }

 private:
  void Report(double count, const char* name) {
    const double seconds =
        static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC;
    const double done = static_cast<double>(state_.iterations()) * count;
    state_.counters["per_core"] = done * 1e-9 / seconds;
    state_.counters[name] = benchmark::Counter(
        count * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  }

  benchmark::State& state_;
  const std::clock_t start_;
};

void CountRows(benchmark::State& state, int64_t rows) {
  state.counters["rows/s"] = benchmark::Counter(
      static_cast<double>(rows), benchmark::Counter::kIsIterationInvariantRate);
}

constexpr int64_t kPeakSteps = 100000;

// [[gnu::target]] and inline assembly: no intrinsic survives the optimizer as
// reliably, and this file is compiled for every CPU.
[[gnu::target("avx512f,avx512bf16")]] void Bf16Peak() {
  for (int64_t i = 0; i < kPeakSteps; ++i) {
    asm volatile(
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm0\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm1\n"
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm2\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm3\n"
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm4\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm5\n"
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm6\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm7\n"
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm8\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm9\n"
        "vdpbf16ps %%zmm16, %%zmm17, %%zmm10\n vdpbf16ps %%zmm16, %%zmm17, "
        "%%zmm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
              "xmm8", "xmm9", "xmm10", "xmm11");
  }
}

[[gnu::target("avx2,fma")]] void Fp32Peak() {
  for (int64_t i = 0; i < kPeakSteps; ++i) {
    asm volatile(
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm0\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm1\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm2\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm3\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm4\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm5\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm6\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm7\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm8\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm9\n"
        "vfmadd231ps %%ymm14, %%ymm15, %%ymm10\n vfmadd231ps %%ymm14, %%ymm15, "
        "%%ymm11\n" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
              "xmm8", "xmm9", "xmm10", "xmm11");
  }
}

void Peak(benchmark::State& state) {
  const bool bf16 = CurrentIsa() == Isa::kAvx512Bf16;
  Meter meter(state);
  for (auto _ : state) {
    Context().pool->For(kThreads,
                        [&](int64_t) { bf16 ? Bf16Peak() : Fp32Peak(); });
  }
  const double lanes = bf16 ? 32 : 8;
  meter.Flops(kThreads * kPeakSteps * 12.0 * lanes * 2);
  state.SetLabel(bf16 ? "vdpbf16ps, 512 bits" : "fp32 fma, 256 bits");
}
BENCHMARK(Peak)->UseRealTime();

// m, k, n
void MatmulForward(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  PackedMatrix b = *PackedMatrix::Create(k, n, DType::kBf16);
  const auto x = Numbers(m * k), w = Numbers(k * n);
  b.Pack(Context(), w.data(), PackedMatrix::Source::kTransposed);
  std::vector<float> y(m * n);
  Meter meter(state);
  for (auto _ : state) Matmul(Context(), {x.data(), &b, y.data(), m});
  meter.Flops(2.0 * m * k * n);
}
void MatmulShapes(benchmark::internal::Benchmark* b) {
  for (const int64_t m : {1, 8, 64, 512, 2000}) {
    b->Args({m, 128, 384})->Args({m, 128, 128})->Args({m, 128, 768});
    b->Args({m, 384, 128});
  }
  for (const int64_t m : {1, 8, 64, 800}) {
    b->Args({m, 576, 960})->Args({m, 576, 576})->Args({m, 576, 3072});
    b->Args({m, 1536, 576});
  }
}
BENCHMARK(MatmulForward)->Apply(MatmulShapes)->UseRealTime();

void MatmulWeightGradient(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  const auto x = Numbers(m * k), dy = Numbers(m * n);
  std::vector<float> dw(n * k);
  Meter meter(state);
  for (auto _ : state) {
    MatmulGradWeight(Context(),
                     {dy.data(), x.data(), dw.data(), m, n, k, DType::kBf16});
  }
  meter.Flops(2.0 * m * k * n);
}
BENCHMARK(MatmulWeightGradient)
    ->Args({2000, 128, 384})
    ->Args({2000, 128, 768})
    ->Args({2000, 384, 128})
    ->Args({800, 576, 960})
    ->Args({800, 576, 3072})
    ->Args({800, 1536, 576})
    ->UseRealTime();

void PackWeights(benchmark::State& state) {
  const int64_t k = state.range(0), n = state.range(1);
  PackedMatrix b = *PackedMatrix::Create(k, n, DType::kBf16);
  const auto w = Numbers(k * n);
  for (auto _ : state) {
    b.Pack(Context(), w.data(),
           state.range(2) != 0 ? PackedMatrix::Source::kTransposed
                               : PackedMatrix::Source::kPlain);
  }
  state.SetBytesProcessed(state.iterations() * k * n * 2);
}
BENCHMARK(PackWeights)
    ->Args({576, 3072, 0})
    ->Args({576, 3072, 1})
    ->Args({1536, 576, 0})
    ->Args({1536, 576, 1})
    ->UseRealTime();

// A batch of equal sequences in a cache of blocks.
struct Sequences {
  Sequences(int64_t count, int64_t length, int64_t heads, int64_t kv_heads,
            int64_t dim)
      : heads(heads),
        stride((heads + 2 * kv_heads) * dim),
        qkv(Floats(count * length * stride)),
        per((length + kBlockTokens - 1) / kBlockTokens),
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

// sequences, length, heads, kv_heads, dim
Sequences SequencesOf(const benchmark::State& state) {
  return Sequences(state.range(0), state.range(1), state.range(2),
                   state.range(3), state.range(4));
}

void AttentionDecode(benchmark::State& state) {
  Sequences s = SequencesOf(state);
  Meter meter(state);
  for (auto _ : state) Attention(Context(), s.Args(s.last, nullptr));
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
  for (auto _ : state) Attention(Context(), s.Args(s.whole, nullptr));
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
  Attention(Context(), s.Args(s.whole, lse.data()));
  Meter meter(state);
  for (auto _ : state) {
    AttentionGrad(Context(),
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

// rows, vocab, hidden
struct HeadProblem {
  explicit HeadProblem(const benchmark::State& state)
      : rows(state.range(0)),
        vocab(state.range(1)),
        hidden(state.range(2)),
        x(Numbers(rows * hidden)),
        w(Numbers(vocab * hidden)),
        head(*PackedHead::Create(vocab, hidden, DType::kBf16)),
        tokens(rows),
        logprobs(rows),
        lse(rows) {
    head.Pack(Context(), w.data());
  }
  double Flops() const { return 2.0 * rows * vocab * hidden; }
  int64_t rows, vocab, hidden;
  std::vector<Bf16> x, w;
  PackedHead head;
  std::vector<int32_t> tokens;
  std::vector<float> logprobs, lse;
};

void Sampling(benchmark::State& state) {
  HeadProblem p(state);
  std::vector<DrawArgs> draws;
  for (int64_t r = 0; r < p.rows; ++r) {
    DrawArgs draw{RandomKey(1, RandomPurpose::kTest, r)};
    if (state.range(3) != 0) draw.top_p = 0.95f;
    draws.push_back(draw);
  }
  Meter meter(state);
  for (auto _ : state) {
    HeadSample(Context(), {p.x.data(), &p.head, p.rows, draws, p.tokens.data(),
                           p.logprobs.data()});
  }
  meter.Flops(p.Flops());
  CountRows(state, p.rows);
}
BENCHMARK(Sampling)
    ->Args({512, 110, 128, 0})
    ->Args({64, 49152, 576, 0})
    ->Args({1, 49152, 576, 0})
    ->Args({64, 49152, 576, 1})
    ->UseRealTime();

void Scoring(benchmark::State& state) {
  HeadProblem p(state);
  std::vector<float> entropies(p.rows);
  Meter meter(state);
  for (auto _ : state) {
    HeadScore(Context(), {p.x.data(), &p.head, p.rows, p.tokens.data(), 1,
                          p.logprobs.data(), entropies.data(), p.lse.data()});
  }
  meter.Flops(p.Flops());
  CountRows(state, p.rows);
}
BENCHMARK(Scoring)
    ->Args({2000, 110, 128})
    ->Args({800, 49152, 576})
    ->UseRealTime();

void ScoringBackward(benchmark::State& state) {
  HeadProblem p(state);
  HeadScore(Context(), {p.x.data(), &p.head, p.rows, p.tokens.data(), 1,
                        p.logprobs.data(), nullptr, p.lse.data()});
  const auto dlogprob = Floats(p.rows);
  std::vector<float> dx(p.rows * p.hidden), dw(p.vocab * p.hidden);
  Meter meter(state);
  for (auto _ : state) {
    HeadGrad(Context(),
             {p.x.data(), &p.head, p.w.data(), p.rows, p.tokens.data(), 1,
              p.lse.data(), dlogprob.data(), dx.data(), dw.data()});
  }
  meter.Flops(2 * p.Flops());
  CountRows(state, p.rows);
}
BENCHMARK(ScoringBackward)
    ->Args({2000, 110, 128})
    ->Args({800, 49152, 576})
    ->UseRealTime();

void RowKernels(benchmark::State& state) {
  const int64_t rows = state.range(0), cols = state.range(1);
  const auto x = Floats(rows * 2 * cols), gamma = Floats(cols);
  std::vector<Bf16> y(rows * cols);
  Meter meter(state);
  for (auto _ : state) {
    if (state.range(2) == 0) {
      RmsNorm(Context(), {x.data(), gamma.data(), y.data(), nullptr, rows, cols,
                          1e-5f, DType::kBf16});
    } else {
      SwiGlu(Context(), {x.data(), y.data(), rows, cols, DType::kBf16});
    }
  }
  state.SetLabel(state.range(2) == 0 ? "rms_norm" : "swiglu");
  meter.Items(static_cast<double>(rows * cols));
}
BENCHMARK(RowKernels)
    ->Args({512, 128, 0})
    ->Args({512, 384, 1})
    ->Args({800, 576, 0})
    ->Args({800, 1536, 1})
    ->UseRealTime();

void Optimizer(benchmark::State& state) {
  const int64_t n = state.range(0);
  std::vector<int64_t> sums(n, 12345);
  std::vector<float> master = Floats(n), m(n), v(n);
  std::vector<Bf16> weights(n);
  Meter meter(state);
  for (auto _ : state) {
    AdamW(Context(),
          {sums.data(), 1e-9, master.data(), m.data(), v.data(), weights.data(),
           n, DType::kBf16, 1e-4, 0.9, 0.95, 1e-8, 0.1, 7});
  }
  meter.Items(static_cast<double>(n));
  state.SetBytesProcessed(state.iterations() * n * 34);
}
BENCHMARK(Optimizer)->Arg(1 << 20)->Arg(30 << 20)->UseRealTime();

void GradientNorm(benchmark::State& state) {
  std::vector<int64_t> sums(state.range(0), 12345);
  Meter meter(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SumOfSquares(Context(), sums.data(), state.range(0)));
  }
  meter.Items(static_cast<double>(state.range(0)));
}
BENCHMARK(GradientNorm)->Arg(30 << 20)->UseRealTime();

}  // namespace
}  // namespace aha::ops

BENCHMARK_MAIN();
