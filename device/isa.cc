// Implements device/isa.h and device/choose_isa.h with the compiler's CPU
// detection.
#include "device/isa.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "device/choose_isa.h"
#include "dnnl.h"

namespace aha::ops {
namespace {

bool Has(Isa isa) {
  __builtin_cpu_init();
  switch (isa) {
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::kAvx512:
      return Has(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq");
    case Isa::kAvx512Bf16:
      return Has(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
    case Isa::kEmulatedAvx512Bf16:
      return Has(Isa::kAvx2);
  }
  return false;
}

[[noreturn]] void Refuse(const absl::Status& status) {
  std::fprintf(stderr, "aha: %s\n", std::string(status.message()).c_str());
  std::fflush(stderr);
  // exit() would destroy objects that other threads may still use.
  _exit(kExitRefused);
}

// One instruction set means the same kernels on every machine, so oneDNN must
// not use more of a CPU than the set that we name and know to be row-invariant.
void TellOneDnn(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
    case Isa::kEmulatedAvx512Bf16:  // It multiplies without oneDNN (gemm.cc).
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
      return;
    case Isa::kAvx512:
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core);
      return;
    case Isa::kAvx512Bf16:
      dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx512_core_bf16);
      return;
  }
}

}  // namespace

absl::StatusOr<Isa> ChooseIsa(const char* asked) {
  if (!Has(Isa::kAvx2)) {
    return absl::UnimplementedError(
        "this CPU has no AVX2 with FMA, which every kernel needs");
  }
  if (asked == nullptr || *asked == '\0') {
    if (Has(Isa::kAvx512Bf16)) return Isa::kAvx512Bf16;
    return Has(Isa::kAvx512) ? Isa::kAvx512 : Isa::kAvx2;
  }
  for (const Isa isa :
       {Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Bf16, Isa::kEmulatedAvx512Bf16}) {
    if (asked != NameOf(isa)) continue;
    if (Has(isa)) return isa;
    return absl::InvalidArgumentError(
        absl::StrCat("this CPU lacks the set that AHA_CPU_ISA names: ", asked));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "AHA_CPU_ISA must be avx2, avx512, avx512_bf16 or emulated_avx512_bf16, "
      "got ",
      asked));
}

Isa CurrentIsa() {
  static const Isa isa = [] {
    const absl::StatusOr<Isa> chosen = ChooseIsa(std::getenv("AHA_CPU_ISA"));
    if (!chosen.ok()) Refuse(chosen.status());
    TellOneDnn(*chosen);
    return *chosen;
  }();
  return isa;
}

bool RunsAvx512(Isa isa) {
  return isa == Isa::kAvx512 || isa == Isa::kAvx512Bf16;
}

bool PrefersBf16(Isa isa) {
  return isa == Isa::kAvx512Bf16 || isa == Isa::kEmulatedAvx512Bf16;
}

absl::string_view NameOf(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
    case Isa::kEmulatedAvx512Bf16:
      return "emulated_avx512_bf16";
  }
  return "unknown";
}

}  // namespace aha::ops
