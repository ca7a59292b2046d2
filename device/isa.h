// Which instruction set the CPU bodies use: chosen once, at run time.
#pragma once

#include "absl/strings/string_view.h"

namespace aha::ops {

inline constexpr int kExitUnusableCpu = 78;  // EX_CONFIG: do not start again.

enum class Isa { kAvx2, kAvx512, kAvx512Bf16 };

// The best that this CPU has, or what the environment variable AHA_CPU_ISA
// (avx2, avx512, avx512_bf16) asks for, if the CPU has it.  Also tells oneDNN,
// so it must be called before any primitive exists; CpuContext ops do.
// Ends the process with kExitUnusableCpu and one clear line on stderr if the
// CPU has no AVX2 + FMA or AHA_CPU_ISA names a set that is unknown or missing
// here.
Isa CurrentIsa();

absl::string_view NameOf(Isa isa);

}  // namespace aha::ops
