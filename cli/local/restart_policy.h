// What the supervisor does when a process of a local cluster ends.
//
// An actor, a reward replica or a learner rank is restarted, later each time,
// until it ended `limit` times with no new step in between: also after exit
// code 0, which somebody else's SIGTERM makes, if the job goes on (who was told
// to leave is the supervisor's to know).  The coordinator sends a learner group
// that lost a rank back to its last checkpoint.  Without the coordinator the
// job cannot go on; its exit code 0 means that the job is over or was stopped.
// Exit code 78 means that a restart would only repeat the refusal.
//
// Owned by one thread.  Time comes with each call.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace aha::cli {

enum class ProcessRole { kCoordinator, kReward, kLearner, kActor, kSupervisor };

absl::string_view RoleName(ProcessRole role);

// How a process ended: by exit code, or by signal if that is not 0.
struct ProcessExit {
  int code = 0;
  int signal = 0;

  bool Clean() const { return code == 0 && signal == 0; }
  // "exit code 3", "signal 9 (Killed)".
  std::string Describe() const;
};

inline constexpr int kExitRefused = 78;

struct RestartOptions {
  absl::Duration first_delay = absl::Milliseconds(100);
  absl::Duration longest_delay = absl::Seconds(5);
  // At least, after an exit code: members end, with 0 or after they reported
  // what is fatal, before the end of the job is seen here.
  absl::Duration exit_delay = absl::Seconds(1);
  // About 20 s of trying, which rides out what passes by itself.
  int limit = 8;
};

enum class ExitAction {
  kForget,   // It left in order.
  kRestart,  // After `delay`.
  kStopAll,  // The job cannot go on.
};

struct ExitDecision {
  ExitAction action = ExitAction::kForget;
  absl::Duration delay;
  std::string reason;  // For people; what follows from the death.
};

class RestartPolicy {
 public:
  explicit RestartPolicy(RestartOptions options) : options_(options) {}

  ExitDecision OnExit(absl::string_view name, ProcessRole role,
                      const ProcessExit& exit);
  // A step was done: the deaths before it are forgiven.
  void OnProgress() { deaths_.clear(); }

 private:
  RestartOptions options_;
  std::map<std::string, int, std::less<>> deaths_;
};

}  // namespace aha::cli
