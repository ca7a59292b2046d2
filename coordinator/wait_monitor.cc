#include "coordinator/wait_monitor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace aha::coordinator {

std::vector<Wait> WaitMonitor::Missing(const WaitFacts& facts) const {
  if (facts.rolling_back) {
    return {{"checkpoint", "the newest checkpoint to be verified"}};
  }
  std::vector<Wait> missing;
  if (!disk_failure_.empty()) {
    missing.push_back({"disk", absl::StrCat("room for what must be recorded (",
                                            disk_failure_, ")")});
  }
  if (!facts.missing_learners.empty() && !facts.learners_done) {
    missing.push_back({"learners", facts.missing_learners});
  }
  if (facts.samples && facts.reward_replicas == 0) {
    missing.push_back({"reward_replicas", "a reward replica"});
  }
  if (facts.samples && facts.actors == 0 && facts.groups_to_sample > 0) {
    missing.push_back(
        {"actors", absl::StrCat("an actor (", facts.groups_to_sample,
                                " groups to sample)")});
  }
  // Rank 0 cannot publish before the ranks are there.
  if (facts.missing_learners.empty() && !facts.missing_weights.empty()) {
    missing.push_back({"weights", facts.missing_weights});
  }
  return missing;
}

std::optional<std::string> WaitMonitor::Check(
    absl::Time now, const std::vector<Wait>& missing) {
  const double passed = std::max(0.0, absl::ToDoubleSeconds(now - last_check_));
  last_check_ = now;
  std::map<std::string, absl::Time> since;
  for (const Wait& wait : missing) {
    const auto known = missing_since_.find(wait.what);
    since[wait.what] = known == missing_since_.end() ? now : known->second;
    if (const auto counter = seconds_.find(wait.what);
        counter != seconds_.end()) {
      counter->second.Increment(passed);
    }
    if (now - since[wait.what] > limit_) {
      return absl::StrCat("waited ", absl::FormatDuration(limit_), " for ",
                          wait.text,
                          " (cluster.wait_seconds); see the log of what was "
                          "waited for");
    }
  }
  missing_since_ = std::move(since);
  return std::nullopt;
}

bool WaitMonitor::CheckMovement(absl::Time now, bool watched) {
  if (!watched) {
    stall_.reset();
    return false;
  }
  if (!stall_.has_value() || stall_->progress != progress_) {
    stall_ = {.progress = progress_, .since = now};
  }
  return now - stall_->since > limit_;
}

void WaitMonitor::Skip(absl::Time now) {
  last_check_ = now;
  Restart();
}

void WaitMonitor::Restart() {
  missing_since_.clear();
  stall_.reset();
}

bool WaitMonitor::NoteStore(const absl::Status& status) {
  const bool took_records = disk_failure_.empty();
  disk_failure_ =
      absl::IsUnavailable(status) ? std::string(status.message()) : "";
  return took_records && !disk_failure_.empty();
}

}  // namespace aha::coordinator
