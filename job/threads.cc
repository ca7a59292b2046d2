#include "job/threads.h"

#include <sched.h>

#include <algorithm>

namespace aha {
namespace {

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace

int ComputeThreads(int flag, const v1::Job& job) {
  if (flag > 0) return flag;
  if (job.cluster().threads() > 0) return job.cluster().threads();
  return UsableCores();
}

}  // namespace aha
