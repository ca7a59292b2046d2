#include "run/feed.h"

#include "base/status.h"

namespace aha::run {

absl::StatusOr<JobView> FileFeed::Job() {
  AHA_ASSIGN_OR_RETURN(const RunReader run, files_());
  return run.View();
}

std::optional<Summary> FileFeed::End() {
  const absl::StatusOr<RunReader> run = files_();
  if (!run.ok()) return std::nullopt;
  absl::StatusOr<Summary> summary = run->ReadSummary();
  if (!summary.ok()) return std::nullopt;
  return *std::move(summary);
}

std::vector<StepMetrics> FileFeed::Metrics() {
  const absl::StatusOr<RunReader> run = files_();
  if (!run.ok()) return {};
  return run->ReadMetrics().value_or(std::vector<StepMetrics>());
}

std::vector<Event> FileFeed::Events(size_t most) {
  const absl::StatusOr<RunReader> run = files_();
  if (!run.ok()) return {};
  std::vector<Event> events = run->ReadEvents().value_or(std::vector<Event>());
  if (events.size() > most) {
    events.erase(events.begin(),
                 events.end() - static_cast<std::ptrdiff_t>(most));
  }
  return events;
}

std::vector<ProcessEntry> FileFeed::Processes() {
  const absl::StatusOr<RunReader> run = files_();
  if (!run.ok()) return {};
  return run->ReadProcesses().value_or(std::vector<ProcessEntry>());
}

std::vector<std::string> FileFeed::Checkpoints() {
  const absl::StatusOr<RunReader> run = files_();
  return run.ok() ? run->Checkpoints() : std::vector<std::string>();
}

std::vector<RolloutRef> FileFeed::Rollouts() {
  const absl::StatusOr<RunReader> run = files_();
  return run.ok() ? run->Rollouts() : std::vector<RolloutRef>();
}

}  // namespace aha::run
