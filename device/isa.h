// The instruction set of the CPU bodies. It is chosen once, at run time.
#pragma once

#include "absl/strings/string_view.h"
#include "base/exit_code.h"

namespace aha::ops {

// kEmulatedAvx512Bf16 computes on any CPU what kAvx512Bf16 computes, to the
// bit (docs/numerics.md says for which jobs this was seen). It runs only when
// AHA_CPU_ISA asks for it.
enum class Isa { kAvx2, kAvx512, kAvx512Bf16, kEmulatedAvx512Bf16 };

// Returns the best set that this CPU has, or the one that the environment
// variable AHA_CPU_ISA (avx2, avx512, avx512_bf16, emulated_avx512_bf16) names.
// It also limits oneDNN to that set, so it must be called before any oneDNN
// primitive exists; the ops of CpuContext do that. Ends the process with
// kExitRefused and one line on stderr if the CPU has no AVX2 with FMA, or if
// AHA_CPU_ISA names a set that is unknown or that this CPU lacks.
Isa CurrentIsa();

absl::string_view NameOf(Isa isa);

// Whether the kernels that are compiled for AVX-512 run; otherwise those for
// AVX2 do.
bool RunsAvx512(Isa isa);
// Whether bf16 is the set's own number format (dtype `auto`); otherwise it is
// fp32.
bool PrefersBf16(Isa isa);

}  // namespace aha::ops
