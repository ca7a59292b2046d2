// Decides with how many threads each process of a local cluster computes, and
// on which cores.
//
// Rule (docs/design.md, section 9):
//   lag 0   Sampling and training alternate: while one side computes, the other
//           waits in an RPC.  So each side gets every core, and the processes
//           of a side divide them, with at least one thread each.  No process
//           is pinned, since the busy side may use the idle side's cores.
//   lag 1   Both sides compute all the time.  If two teams of threads shared
//           cores, each would wait at its barriers for threads that the other
//           displaced.  So with four or more cores one half goes to the
//           actors and one to the learners (an odd core goes to the actors,
//           which have more to do), and each process is pinned to its share.
//           With fewer cores a half is too small: sharing two cores was 19 to
//           30 % faster (docs/results.md).
//
// If CpuRequest::threads is not 0, it is used as it is, and no process is
// pinned.  The functions are pure, except UsableCpus.
#pragma once

#include <vector>

namespace aha::cli {

struct CpuRequest {
  std::vector<int> cpus;  // Those that this process may use.
  int actors = 1;
  int learners = 1;
  int lag = 0;      // The largest of any stage.
  int threads = 0;  // Threads of each process; 0: by the rule above.
};

struct CpuShare {
  int threads = 1;
  std::vector<int> cpus;  // To pin the process to; empty: none.
};

// The share of learner rank `rank`, and below that of actor number `index`.
CpuShare LearnerShare(const CpuRequest& request, int rank);
// `index` may be request.actors or more: an actor that was added later.
CpuShare ActorShare(const CpuRequest& request, int index);

// The processors that this process may use, and no more than the CPU quota of
// its cgroup allows.
std::vector<int> UsableCpus();

}  // namespace aha::cli
