// A feed that gives what a test sets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/feed.h"

namespace aha::cli {

class FakeFeed : public run::JobFeed {
 public:
  absl::StatusOr<run::JobView> Job() override { return job; }
  std::vector<run::MemberView> Members() override { return members; }
  std::optional<run::Summary> End() override { return end; }
  std::vector<run::StepMetrics> Metrics() override { return metrics; }
  std::vector<run::Event> Events(size_t most) override {
    const size_t skipped = events.size() > most ? events.size() - most : 0;
    return {events.begin() + static_cast<std::ptrdiff_t>(skipped),
            events.end()};
  }
  std::vector<run::ProcessEntry> Processes() override { return processes; }
  std::vector<std::string> Checkpoints() override { return checkpoints; }
  std::vector<run::RolloutRef> Rollouts() override { return rollouts; }

  absl::StatusOr<run::JobView> job = run::JobView{};
  std::vector<run::MemberView> members;
  std::optional<run::Summary> end;
  std::vector<run::StepMetrics> metrics;
  std::vector<run::Event> events;
  std::vector<run::ProcessEntry> processes;
  std::vector<std::string> checkpoints;
  std::vector<run::RolloutRef> rollouts;
};

}  // namespace aha::cli
