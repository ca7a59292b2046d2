// Benchmarks the kernels of ops/ at the shapes of two models, against the peak
// of this machine.
//
//   ops_bench                        the table
//   ops_bench --benchmark_filter=X   some of it
//
// `peak` is a loop of independent fused multiply-adds in registers on every
// thread. Measure it in the same run as the kernels, because other jobs may use
// the machine. GFLOP/s count useful work, without padding and
// recomputation.
#include <cstdint>

#include "bench/meter.h"
#include "device/isa.h"

namespace aha::ops {
namespace {

constexpr int64_t kPeakSteps = 100000;

// [[gnu::target]] and inline assembly are used because the optimizer keeps no
// intrinsic as reliably, and because this file is compiled for every CPU.
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
  const bool bf16 = PrefersBf16(CurrentIsa());
  Meter meter(state);
  for (auto _ : state) {
    BenchContext().pool->For(kThreads,
                             [&](int64_t) { bf16 ? Bf16Peak() : Fp32Peak(); });
  }
  const double lanes = bf16 ? 32 : 8;
  meter.Flops(kThreads * kPeakSteps * 12.0 * lanes * 2);
  state.SetLabel(bf16 ? "vdpbf16ps, 512 bits" : "fp32 fma, 256 bits");
}
BENCHMARK(Peak)->UseRealTime();

}  // namespace
}  // namespace aha::ops

BENCHMARK_MAIN();
