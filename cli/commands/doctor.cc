#include "cli/commands/doctor.h"

#include <arpa/inet.h>
#include <gnu/libc-version.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/file_io.h"
#include "cli/local/cpu_plan.h"
#include "cli/term/json.h"
#include "cli/term/text.h"

namespace aha::cli {
namespace {

// The first "<key> ... : value" of a /proc file.
std::string ProcField(const char* path, absl::string_view key) {
  const absl::StatusOr<std::string> text = ReadWholeFile(path);
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

// `ahactl run` makes what is missing of a path.
std::string NearestExisting(const std::string& directory) {
  std::error_code error;
  std::filesystem::path path =
      std::filesystem::absolute(directory, error).lexically_normal();
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) {
    path = path.parent_path();
  }
  // "dir/." is "dir/" when normal.
  return (path.has_filename() ? path : path.parent_path()).string();
}

struct Probe {
  absl::Status written;
  absl::Duration skew;  // The file system's clock less ours.
};

Probe WriteProbe(const std::string& directory) {
  const std::string path =
      absl::StrCat(directory, "/.ahactl-doctor-", ::getpid());
  Probe probe{ReplaceFile(path, "x"), absl::ZeroDuration()};
  struct stat info {};
  if (probe.written.ok() && ::stat(path.c_str(), &info) == 0) {
    probe.skew = absl::TimeFromTimespec(info.st_mtim) - absl::Now();
  }
  ::unlink(path.c_str());
  return probe;
}

Finding CheckWritable(const std::string& directory, const Probe& probe) {
  if (probe.written.ok()) return {"directory", Verdict::kOk, directory, ""};
  return {"directory", Verdict::kFail, std::string(probe.written.message()),
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

Finding CheckOpenFiles() {
  const long limit = ::sysconf(_SC_OPEN_MAX);
  const std::string found = absl::StrCat(limit, " a process");
  if (limit < 0 || limit >= 512) {
    return {"open files", Verdict::kOk, limit < 0 ? "unlimited" : found, ""};
  }
  return {"open files", Verdict::kWarn, found, "raise it: ulimit -n 1024"};
}

// What a container may still take, or all of it without a limit.
uint64_t CgroupMemory() {
  const auto read = [](const char* name) {
    const absl::StatusOr<std::string> text =
        ReadWholeFile(absl::StrCat("/sys/fs/cgroup/", name));
    uint64_t bytes = 0;
    return text.ok() &&
                   absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &bytes)
               ? std::optional<uint64_t>(bytes)
               : std::nullopt;
  };
  const auto most = read("memory.max");
  const auto used = read("memory.current");
  if (!most || !used) return std::numeric_limits<uint64_t>::max();
  return *most - std::min(*most, *used);
}

void AddMemory(std::vector<Finding>* findings) {
  const std::string available = ProcField("/proc/meminfo", "MemAvailable");
  uint64_t kib = 0;
  if (absl::SimpleAtoi(available.substr(0, available.find(' ')), &kib)) {
    findings->push_back(CheckMemory(std::min(kib * 1024, CgroupMemory())));
  }
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

Finding CheckIsa(const std::string& cpu_flags, const std::string& asked) {
  const std::vector<std::string> flags =
      absl::StrSplit(cpu_flags, ' ', absl::SkipEmpty());
  const auto has = [&flags](std::initializer_list<absl::string_view> names) {
    return std::all_of(names.begin(), names.end(), [&](absl::string_view name) {
      return std::find(flags.begin(), flags.end(), name) != flags.end();
    });
  };
  // From the plainest to the best, as in device/isa.h.
  std::vector<std::string> usable;
  if (has({"avx2", "fma"})) usable.emplace_back("avx2");
  if (!usable.empty() && has({"avx512f", "avx512bw", "avx512vl", "avx512dq"})) {
    usable.emplace_back("avx512");
  }
  if (usable.size() == 2 && has({"avx512_bf16"})) {
    usable.emplace_back("avx512_bf16");
  }
  const std::string best = usable.empty() ? "" : usable.back();
  if (!usable.empty()) usable.emplace_back("emulated_avx512_bf16");
  if (usable.empty()) {
    return {"cpu", Verdict::kFail, "no AVX2 with FMA",
            "every kernel needs it; use a machine whose CPU has it"};
  }
  if (!asked.empty() &&
      std::find(usable.begin(), usable.end(), asked) == usable.end()) {
    return {
        "cpu", Verdict::kFail,
        absl::StrCat("AHA_CPU_ISA=", asked, " cannot be used here"),
        absl::StrCat("unset it, or set one of ", absl::StrJoin(usable, ", "))};
  }
  const std::string isa = asked.empty() ? best : asked;
  return {"cpu", Verdict::kOk,
          absl::StrCat(isa, asked.empty() ? "" : " (AHA_CPU_ISA)",
                       ", dtype auto means ",
                       absl::EndsWith(isa, "avx512_bf16") ? "bf16" : "fp32"),
          ""};
}

Finding CheckGpus(const std::string& gpus) {
  return {"gpu", Verdict::kWarn, absl::StrCat(gpus, ", not used"),
          "Aha has no GPU kernels yet; it computes on the CPU"};
}

Finding CheckClock(absl::Time now, absl::Duration skew) {
  constexpr absl::Duration kTolerated = absl::Seconds(5);
  const std::string found =
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone());
  // Before this program was written: certificates and dates would be wrong.
  if (now < absl::FromUnixSeconds(1735689600)) {
    return {"clock", Verdict::kWarn, found,
            "set the clock; dates in events and TLS depend on it"};
  }
  if (absl::AbsDuration(skew) > kTolerated) {
    return {"clock", Verdict::kWarn,
            absl::StrCat(
                "files are stamped ",
                FormatSeconds(absl::ToDoubleSeconds(absl::AbsDuration(skew))),
                skew > absl::ZeroDuration() ? " ahead of" : " behind",
                " this machine's clock"),
            "synchronise this machine's clock with the file server's; a resume "
            "compares times of files"};
  }
  return {"clock", Verdict::kOk, found, ""};
}

std::vector<Finding> Examine(const DoctorOptions& options) {
  std::vector<Finding> findings;
  const char* asked = std::getenv("AHA_CPU_ISA");
  Finding isa = CheckIsa(ProcField("/proc/cpuinfo", "flags"),
                         asked == nullptr ? "" : asked);
  isa.found =
      absl::StrCat(ProcField("/proc/cpuinfo", "model name"), "; ", isa.found);
  findings.push_back(std::move(isa));
  if (!options.gpus.empty()) findings.push_back(CheckGpus(options.gpus));
  findings.push_back(CheckCores(static_cast<int>(UsableCpus().size())));
  AddMemory(&findings);
  const std::string directory = NearestExisting(options.directory);
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) == 0) {
    findings.push_back(CheckDisk(uint64_t{disk.f_bavail} * disk.f_frsize));
  }
  const Probe probe = WriteProbe(directory);
  findings.push_back(CheckWritable(directory, probe));
  findings.push_back(CheckPrograms(options.bin_dir));
  findings.push_back(CheckSharedMemory());
  findings.push_back(CheckPorts());
  findings.push_back(CheckOpenFiles());
  findings.push_back(CheckClock(absl::Now(), probe.skew));
  findings.push_back(
      {"libraries", Verdict::kOk,
       absl::StrCat("glibc ", ::gnu_get_libc_version(),
                    options.libraries.empty() ? "" : ", ", options.libraries),
       ""});
  return findings;
}

}  // namespace aha::cli
