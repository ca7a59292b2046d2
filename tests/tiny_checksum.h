// The recorded checksums of recipes/tiny.yaml, one for each instruction set
// path that a CPU may choose (docs/numerics.md).
#pragma once

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace aha::testing {

// Whether /proc/cpuinfo lists the flag, for example "avx512_bf16".
inline bool CpuHas(const std::string& flag) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (absl::StartsWith(line, "flags")) {
      return absl::StrContains(absl::StrCat(line, " "),
                               absl::StrCat(" ", flag, " "));
    }
  }
  return false;
}

// On the paths avx2 and avx512_bf16.
inline constexpr char kTinyChecksumFp32[] = "fdb4596ef0965c3db0899b270e6e481f";
inline constexpr char kTinyChecksumBf16[] = "c42897d19b3de3427ef866585b272b92";

// The checksum that this machine's best path gives; "" if none is recorded for
// it, which is the case for AVX-512 without its bf16 instructions.
inline std::string TinyChecksum() {
  if (CpuHas("avx512_bf16")) return kTinyChecksumBf16;
  if (CpuHas("avx512dq")) return "";
  return kTinyChecksumFp32;
}

}  // namespace aha::testing
