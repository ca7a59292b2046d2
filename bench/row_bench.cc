// Benchmarks memory-bound kernels: rows, the optimizer and the norm of the
// gradient.
#include <cstdint>
#include <vector>

#include "bench/meter.h"
#include "ops/adamw.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace aha::ops {
namespace {

void RowKernels(benchmark::State& state) {
  const int64_t rows = state.range(0), cols = state.range(1);
  const auto x = Floats(rows * 2 * cols), gamma = Floats(cols);
  std::vector<Bf16> y(rows * cols);
  Meter meter(state);
  for (auto _ : state) {
    if (state.range(2) == 0) {
      RmsNorm(BenchContext(), {x.data(), gamma.data(), y.data(), nullptr, rows,
                               cols, 1e-5f, DType::kBf16});
    } else {
      SwiGlu(BenchContext(), {x.data(), y.data(), rows, cols, DType::kBf16});
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
    AdamW(BenchContext(),
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
        SumOfSquares(BenchContext(), sums.data(), state.range(0)));
  }
  meter.Items(static_cast<double>(state.range(0)));
}
BENCHMARK(GradientNorm)->Arg(30 << 20)->UseRealTime();

}  // namespace
}  // namespace aha::ops
