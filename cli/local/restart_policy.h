// Decides what the supervisor does when a process of a local cluster ends.
//
// An actor, a reward replica or a learner rank is restarted, after a longer
// delay each time, until it has ended more than `max_ends` times without a new
// step in between.  This holds after exit code 0, too, since a SIGTERM from
// elsewhere causes that.  (The supervisor itself knows which processes it asked
// to leave.)  When a learner rank is lost, the coordinator sends the whole rank
// set back to its last checkpoint.
//
// Without the coordinator the job cannot continue; its exit code 0 means that
// the job is over or was stopped.  Exit code 78 means that the process refused
// to start, and a restart would repeat that.
//
// Owned by one thread.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/child_process.h"
#include "base/exit_code.h"

namespace aha::cli {

enum class ProcessRole { kCoordinator, kReward, kLearner, kActor, kSupervisor };

absl::string_view RoleName(ProcessRole role);

struct RestartOptions {
  absl::Duration first_delay = absl::Milliseconds(100);
  absl::Duration longest_delay = absl::Seconds(5);
  // The least delay after an exit code.  At the end of the job, and after they
  // have reported a fatal error, processes exit before the supervisor learns
  // that the job has ended.
  absl::Duration exit_delay = absl::Seconds(1);
  // Ends of a process without a new step between them, about 20 s of attempts;
  // one more stops the cluster.
  int max_ends = 8;
};

enum class ExitAction {
  kForget,   // Its end was expected.
  kRestart,  // After `delay`.
  kStopAll,  // The job cannot continue.
};

struct ExitDecision {
  ExitAction action = ExitAction::kForget;
  absl::Duration delay;
  std::string reason;  // What follows from the end, for people.
};

class RestartPolicy {
 public:
  explicit RestartPolicy(RestartOptions options) : options_(options) {}

  ExitDecision OnExit(absl::string_view name, ProcessRole role,
                      const ProcessExit& exit);
  // A step was done, so the ends before it do not count any more.
  void OnProgress() { ends_.clear(); }

 private:
  RestartOptions options_;
  std::map<std::string, int, std::less<>> ends_;
};

}  // namespace aha::cli
