#include "cli/local/cpu_plan.h"

#include <sched.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/file_io.h"

namespace aha::cli {
namespace {

// The index-th of `count` nearly equal parts of `cpus`; all of them if there
// are fewer than parts.
std::vector<int> Part(const std::vector<int>& cpus, int index, int count) {
  const int size = static_cast<int>(cpus.size());
  if (count <= 1 || size < count) return cpus;
  const int i = index % count;
  return {cpus.begin() + i * size / count,
          cpus.begin() + (i + 1) * size / count};
}

CpuShare Share(const CpuRequest& request, const std::vector<int>& side,
               int index, int count, bool pinned) {
  CpuShare share;
  if (request.threads > 0) {
    share.threads = request.threads;
    return share;
  }
  share.threads =
      std::max(1, static_cast<int>(side.size()) / std::max(1, count));
  if (!pinned) return share;
  share.cpus = Part(side, index, count);
  share.threads = std::max<int>(1, static_cast<int>(side.size()) < count
                                       ? 1
                                       : static_cast<int>(share.cpus.size()));
  return share;
}

constexpr size_t kSplitFrom = 4;  // Cores; cpu_plan.h says why.

bool Splits(const CpuRequest& request) {
  return request.lag > 0 && request.cpus.size() >= kSplitFrom;
}

}  // namespace

CpuShare LearnerShare(const CpuRequest& request, int rank) {
  std::vector<int> side = request.cpus;
  if (Splits(request)) side.resize(side.size() / 2);
  return Share(request, side, rank, request.learners, Splits(request));
}

CpuShare ActorShare(const CpuRequest& request, int index) {
  std::vector<int> side = request.cpus;
  if (Splits(request)) {
    side.erase(side.begin(),
               side.begin() + static_cast<int64_t>(side.size() / 2));
  }
  return Share(request, side, index, request.actors, Splits(request));
}

std::vector<int> UsableCpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  const absl::StatusOr<std::string> quota =
      ReadWholeFile("/sys/fs/cgroup/cpu.max", 1 << 12);
  if (!quota.ok()) return cpus;
  const std::vector<std::string> parts =
      absl::StrSplit(*quota, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double limit = 0;
  double period = 0;
  if (parts.size() == 2 && absl::SimpleAtod(parts[0], &limit) &&
      absl::SimpleAtod(parts[1], &period) && limit > 0 && period > 0) {
    const auto paid = static_cast<size_t>(std::ceil(limit / period));
    cpus.resize(std::min(cpus.size(), std::max<size_t>(1, paid)));
  }
  return cpus;
}

}  // namespace aha::cli
