#include "cli/local/restart_policy.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace aha::cli {

absl::string_view RoleName(ProcessRole role) {
  switch (role) {
    case ProcessRole::kCoordinator:
      return "coordinator";
    case ProcessRole::kReward:
      return "reward";
    case ProcessRole::kLearner:
      return "learner";
    case ProcessRole::kActor:
      return "actor";
    case ProcessRole::kSupervisor:
      return "supervisor";
  }
  return "unknown";
}

ExitDecision RestartPolicy::OnExit(absl::string_view name, ProcessRole role,
                                   const ProcessExit& exit) {
  if (exit.code == kExitRefused) {
    return {ExitAction::kStopAll, absl::ZeroDuration(),
            "it refused to start, and a restart would not help"};
  }
  if (role == ProcessRole::kCoordinator) {
    if (exit.Clean()) return {};
    return {ExitAction::kStopAll, absl::ZeroDuration(),
            "the job cannot continue without the coordinator"};
  }
  auto found = ends_.find(name);
  if (found == ends_.end()) found = ends_.emplace(name, 0).first;
  const int ends = ++found->second;
  if (ends > options_.max_ends) {
    return {
        ExitAction::kStopAll, absl::ZeroDuration(),
        absl::StrCat("it ended ", ends, " times without a new step between")};
  }
  absl::Duration delay =
      std::min(options_.longest_delay,
               options_.first_delay * (int64_t{1} << std::min(ends - 1, 20)));
  if (exit.signal == 0) delay = std::max(delay, options_.exit_delay);
  return {ExitAction::kRestart, delay,
          absl::StrCat("restart ", ends, " of ", options_.max_ends, " in ",
                       absl::FormatDuration(delay))};
}

}  // namespace aha::cli
