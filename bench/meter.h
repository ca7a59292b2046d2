// Helpers that the benchmarks of ops/ share: threads, random inputs, and
// counters for each second of wall time and for each second of a core.
#pragma once

#include <cstdint>
#include <ctime>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "benchmark/benchmark.h"
#include "device/context.h"
#include "device/dtype.h"

namespace aha::ops {

inline constexpr int kThreads = 2;

inline CpuContext BenchContext() {
  static ThreadPool* pool = new ThreadPool(kThreads);
  return {pool};
}

inline std::vector<Bf16> Numbers(int64_t count) {
  const RandomKey key(1, RandomPurpose::kTest);
  std::vector<Bf16> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = ToBf16(key.Uniform(i) - 0.5f);
  }
  return out;
}

inline std::vector<float> Floats(int64_t count) {
  const RandomKey key(2, RandomPurpose::kTest);
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) out[i] = key.Uniform(i) - 0.5f;
  return out;
}

// Measures the timed loop; construct it right before.
class Meter {
 public:
  explicit Meter(benchmark::State& state)
      : state_(state), start_(std::clock()) {}
  // The work of one iteration.
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

inline void CountRows(benchmark::State& state, int64_t rows) {
  state.counters["rows/s"] = benchmark::Counter(
      static_cast<double>(rows), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace aha::ops
