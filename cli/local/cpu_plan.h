// Which process of a local cluster computes with how many threads, where.
//
// Rule (docs/design.md section 9):
//   lag 0   Sampling and training alternate: while one side computes, the other
//           sleeps in an RPC.  So each side gets every core; several processes
//           of a side divide them, at least one thread each.  Nothing is
//           pinned: the idle side's cores belong to the busy side.
//   lag 1   Both sides compute all the time.  Two teams of threads on the same
//           cores would wait for each other's sleepers at every barrier, so
//           from four cores on they are split in halves (the odd one goes to
//           the actors, which have more to do) and each process is pinned to
//           its share.  Below four a side is too small for its own work:
//           sharing two cores was 19 to 30 % faster (docs/results.md).
// An explicit number of threads is taken as it is, and nothing is pinned.
//
// Pure.
#pragma once

#include <vector>

namespace aha::cli {

struct CpuRequest {
  std::vector<int> cpus;  // That this process may use.
  int actors = 1;
  int learners = 1;
  int lag = 0;      // The largest of any grpo stage.
  int threads = 0;  // A process; 0: by the rule.
};

struct CpuShare {
  int threads = 1;
  std::vector<int> cpus;  // To be pinned to; empty: no pinning.
};

CpuShare LearnerShare(const CpuRequest& request, int rank);
// `index` may exceed request.actors (an actor added later).
CpuShare ActorShare(const CpuRequest& request, int index);

// The processors this process is allowed, at most as many as its cgroup's
// quota pays for.
std::vector<int> UsableCpus();

}  // namespace aha::cli
