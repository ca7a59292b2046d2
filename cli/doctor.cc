#include "cli/doctor.h"

#include <arpa/inet.h>
#include <gnu/libc-version.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/cpu_plan.h"
#include "cli/json.h"
#include "cli/text.h"

namespace aha::cli {
namespace {

// The first "<key> ... : value" of a /proc file.
std::string ProcField(const char* path, absl::string_view key) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return "";
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (!absl::ConsumePrefix(&line, key)) continue;
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return "";
}

Finding CheckPrograms(const std::string& bin_dir) {
  std::vector<std::string> missing;
  for (const char* program :
       {"aha-coordinator", "aha-actor", "aha-reward", "aha-learner"}) {
    const std::string path = absl::StrCat(bin_dir, "/", program);
    if (::access(path.c_str(), X_OK) != 0) missing.emplace_back(program);
  }
  if (missing.empty()) return {"programs", Verdict::kOk, bin_dir, ""};
  return {"programs", Verdict::kFail,
          absl::StrCat(missing.front(), " is not in ", bin_dir),
          "build them with `make`, or set AHA_BIN_DIR"};
}

Finding CheckWritable(const std::string& directory) {
  const std::string probe =
      absl::StrCat(directory, "/.ahactl-doctor-", ::getpid());
  const absl::Status written = WriteFileAtomically(probe, "x");
  ::unlink(probe.c_str());
  if (written.ok()) return {"directory", Verdict::kOk, directory, ""};
  return {"directory", Verdict::kFail, std::string(written.message()),
          "run where you may write, or give `ahactl run --dir`"};
}

Finding CheckSharedMemory() {
  struct statvfs info {};
  if (::statvfs("/dev/shm", &info) != 0) {
    return {"/dev/shm", Verdict::kWarn, std::strerror(errno),
            "mount a tmpfs there; collectives in shared memory need it"};
  }
  const uint64_t free = uint64_t{info.f_bavail} * info.f_frsize;
  if (free < (uint64_t{64} << 20)) {
    return {"/dev/shm", Verdict::kWarn, FormatBytes(free) + " free",
            "give the container more: --shm-size=1g"};
  }
  return {"/dev/shm", Verdict::kOk, FormatBytes(free) + " free", ""};
}

Finding CheckPorts() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound =
      fd >= 0 &&
      ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  const std::string error = bound ? "" : std::strerror(errno);
  if (fd >= 0) ::close(fd);
  if (bound) return {"ports", Verdict::kOk, "127.0.0.1 gives ports", ""};
  return {"ports", Verdict::kFail, "cannot bind 127.0.0.1: " + error,
          "the services talk over loopback; bring `lo` up"};
}

Finding CheckClock() {
  const absl::Time now = absl::Now();
  // Before this program was written: certificates and dates would be wrong.
  const bool sane = now > absl::FromUnixSeconds(1735689600);
  const std::string found =
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone());
  if (sane) return {"clock", Verdict::kOk, found, ""};
  return {"clock", Verdict::kWarn, found,
          "set the clock; dates in events and TLS depend on it"};
}

Finding CheckOpenFiles() {
  const long limit = ::sysconf(_SC_OPEN_MAX);
  const std::string found = absl::StrCat(limit, " a process");
  if (limit < 0 || limit >= 512) {
    return {"open files", Verdict::kOk, limit < 0 ? "unlimited" : found, ""};
  }
  return {"open files", Verdict::kWarn, found, "raise it: ulimit -n 1024"};
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kFail:
      return "fail";
  }
  return "?";
}

Finding CheckCores(int usable) {
  const std::string found =
      absl::StrCat(usable, usable == 1 ? " core" : " cores");
  if (usable >= 2) return {"cores", Verdict::kOk, found, ""};
  return {"cores", Verdict::kWarn, found,
          "jobs run, but sampling and training share the core"};
}

Finding CheckMemory(unsigned long long available_bytes) {
  const std::string found = FormatBytes(available_bytes) + " available";
  if (available_bytes >= (2ULL << 30)) {
    return {"memory", Verdict::kOk, found, ""};
  }
  if (available_bytes >= (1ULL << 30)) {
    return {"memory", Verdict::kWarn, found,
            "enough for recipes/tiny.yaml; quickstart wants 2 GiB"};
  }
  return {"memory", Verdict::kFail, found, "free at least 1 GiB"};
}

Finding CheckDisk(unsigned long long free_bytes) {
  const std::string found = FormatBytes(free_bytes) + " free";
  if (free_bytes >= (2ULL << 30)) return {"disk", Verdict::kOk, found, ""};
  if (free_bytes >= (200ULL << 20)) {
    return {"disk", Verdict::kWarn, found,
            "checkpoints of larger models will not fit"};
  }
  return {"disk", Verdict::kFail, found, "free at least 200 MiB"};
}

Finding CheckIsa(const std::string& cpu_flags) {
  std::vector<std::string> flags =
      absl::StrSplit(cpu_flags, ' ', absl::SkipEmpty());
  const auto has = [&flags](absl::string_view name) {
    for (const std::string& flag : flags) {
      if (flag == name) return true;
    }
    return false;
  };
  if (has("amx_bf16")) return {"cpu", Verdict::kOk, "AMX: bf16", ""};
  if (has("avx512_bf16")) return {"cpu", Verdict::kOk, "AVX512-BF16: bf16", ""};
  if (has("avx512f") || has("avx2")) {
    return {"cpu", Verdict::kOk,
            absl::StrCat(has("avx512f") ? "AVX-512" : "AVX2",
                         ": no native bf16, dtype auto means fp32"),
            ""};
  }
  return {"cpu", Verdict::kWarn, "neither AVX2 nor AVX-512",
          "jobs run on the portable kernels, slowly"};
}

std::vector<Finding> Examine(const DoctorOptions& options) {
  std::vector<Finding> findings;
  Finding isa = CheckIsa(ProcField("/proc/cpuinfo", "flags"));
  isa.found =
      absl::StrCat(ProcField("/proc/cpuinfo", "model name"), "; ", isa.found);
  findings.push_back(std::move(isa));
  findings.push_back(CheckCores(static_cast<int>(UsableCpus().size())));
  const std::string available = ProcField("/proc/meminfo", "MemAvailable");
  unsigned long long kib = 0;
  if (absl::SimpleAtoi(available.substr(0, available.find(' ')), &kib)) {
    findings.push_back(CheckMemory(kib * 1024));
  }
  struct statvfs disk {};
  if (::statvfs(options.directory.c_str(), &disk) == 0) {
    findings.push_back(CheckDisk(
        static_cast<unsigned long long>(disk.f_bavail) * disk.f_frsize));
  }
  findings.push_back(CheckWritable(options.directory));
  findings.push_back(CheckPrograms(options.bin_dir));
  findings.push_back(CheckSharedMemory());
  findings.push_back(CheckPorts());
  findings.push_back(CheckOpenFiles());
  findings.push_back(CheckClock());
  findings.push_back({"libc", Verdict::kOk,
                      absl::StrCat("glibc ", ::gnu_get_libc_version()), ""});
  return findings;
}

}  // namespace aha::cli
