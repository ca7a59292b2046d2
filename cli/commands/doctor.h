// Checks whether this machine is fit to run a job.  Each check says what it
// found and, if that is not good, what to do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace aha::cli {

enum class Verdict { kOk, kWarn, kFail };

struct Finding {
  std::string name;
  Verdict verdict = Verdict::kOk;
  std::string found;
  std::string advice;  // Empty if the verdict is kOk.
};

struct DoctorOptions {
  std::string directory = ".";  // Where runs/ would be; need not exist.
  std::string bin_dir;          // Holds the programs of the cluster.
  std::string libraries;        // Names and versions.
  std::string gpus;             // GpuText of cli/local/gpus.h; "": none.
};

std::vector<Finding> Examine(const DoctorOptions& options);

// Single checks of given values, for tests.
Finding CheckCores(int usable);
Finding CheckMemory(unsigned long long available_bytes);
Finding CheckDisk(unsigned long long free_bytes);
// `cpu_flags` are those of /proc/cpuinfo; `asked` is AHA_CPU_ISA, "" if it is
// not set.  The programs that compute decide by device/isa.h.
Finding CheckIsa(const std::string& cpu_flags, const std::string& asked);
// `gpus` must not be empty.
Finding CheckGpus(const std::string& gpus);
// `skew` is how far the time stamp of a new file is ahead of the clock.
Finding CheckClock(absl::Time now, absl::Duration skew);

const char* VerdictName(Verdict verdict);

}  // namespace aha::cli
