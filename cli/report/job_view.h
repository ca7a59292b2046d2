// A job as ahactl shows it, whether a live coordinator or a run directory told.
//
// Plain data; no gRPC, no protobuf.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/term/json.h"

namespace aha::cli {

enum class JobState {
  kUnknown,
  kPending,
  kRunning,
  kPaused,
  kStopping,
  kStopped,
  kSucceeded,
  kFailed,
  kInterrupted,  // Its processes are gone without an end state.
};

// Lower case, as in summary.json.
absl::string_view StateName(JobState state);
JobState ParseState(absl::string_view name);
// No step will follow unless it is resumed.
bool IsEndState(JobState state);

struct StageView {
  std::string name;
  std::string type;
  uint64_t steps_done = 0;
  uint64_t steps_total = 0;
  double seconds = 0;
  bool done = false;
  bool running = false;
  std::map<std::string, double> metrics;  // The latest; TRL's names.

  std::optional<double> Metric(absl::string_view key) const;
};

struct JobView {
  std::string name;
  JobState state = JobState::kUnknown;
  std::vector<StageView> stages;
  size_t current_stage = 0;
  std::string checksum;
  std::string weights_checksum;
  std::string problem;
  std::vector<std::string> waits;
  double started_unix_seconds = 0;
  double seconds = 0;
  uint64_t groups_leased = 0;
  uint64_t groups_delivered = 0;
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
  std::string run_directory;
  double rollout_tokens_per_second = 0;

  // The stage at work, or the last one; null without stages.
  const StageView* Current() const;
  // Steps over all stages; changes whenever the job got further.
  uint64_t StepsDone() const;
};

Json ToJson(const JobView& job);

// The accuracy of a stage's latest step or eval, whatever its metric is called.
std::optional<double> AccuracyOf(const StageView& stage);
std::optional<double> LengthOf(const StageView& stage);

struct MemberView {
  std::string role;
  std::string name;
  std::string address;
  std::string metrics_address;
  uint32_t rank = 0;
  double last_seen_seconds = 0;
  uint64_t leases = 0;
  std::string waiting_for;
  double tokens_per_second = 0;
  std::string numeric_class;
  bool draining = false;
};

Json ToJson(const MemberView& member);

}  // namespace aha::cli
