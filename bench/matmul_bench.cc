// Benchmarks matrix products and the output head.
#include <cstdint>
#include <vector>

#include "bench/meter.h"
#include "ops/head.h"
#include "ops/matmul.h"

namespace aha::ops {
namespace {

// The columns are m, k and n.
void MatmulForward(benchmark::State& state) {
  const int64_t m = state.range(0), k = state.range(1), n = state.range(2);
  PackedMatrix b = *PackedMatrix::Create(BenchContext(), k, n, DType::kBf16);
  const auto x = Numbers(m * k), w = Numbers(k * n);
  b.Pack(BenchContext(), w.data(), PackedMatrix::Source::kTransposed);
  std::vector<float> y(m * n);
  Meter meter(state);
  for (auto _ : state) Matmul(BenchContext(), {x.data(), &b, y.data(), m});
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
    MatmulGradWeight(BenchContext(),
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
  PackedMatrix b = *PackedMatrix::Create(BenchContext(), k, n, DType::kBf16);
  const auto w = Numbers(k * n);
  for (auto _ : state) {
    b.Pack(BenchContext(), w.data(),
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

// The columns are rows, vocab and hidden.
struct HeadProblem {
  explicit HeadProblem(const benchmark::State& state)
      : rows(state.range(0)),
        vocab(state.range(1)),
        hidden(state.range(2)),
        x(Numbers(rows * hidden)),
        w(Numbers(vocab * hidden)),
        head(*PackedHead::Create(BenchContext(), vocab, hidden, DType::kBf16)),
        tokens(rows),
        logprobs(rows),
        lse(rows) {
    head.Pack(BenchContext(), w.data());
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
    HeadSample(BenchContext(), {p.x.data(), &p.head, p.rows, draws,
                                p.tokens.data(), p.logprobs.data()});
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
    HeadScore(BenchContext(),
              {p.x.data(), &p.head, p.rows, p.tokens.data(), 1,
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
  HeadScore(BenchContext(), {p.x.data(), &p.head, p.rows, p.tokens.data(), 1,
                             p.logprobs.data(), nullptr, p.lse.data()});
  const auto dlogprob = Floats(p.rows);
  std::vector<float> dx(p.rows * p.hidden), dw(p.vocab * p.hidden);
  Meter meter(state);
  for (auto _ : state) {
    HeadGrad(BenchContext(),
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

}  // namespace
}  // namespace aha::ops
