// A job as it is shown at one moment: its state, its stages, and the processes
// that work on it.
//
// The values come from a live coordinator or from the files of a run directory
// (feed.h).  Plain data; neither gRPC nor Protobuf.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/lenient_json.h"

namespace aha::run {

// The numbers are those of the wire's JobState (admin.proto).
enum class JobState {
  kUnknown = 0,
  kPending = 1,
  kRunning = 2,
  kPaused = 3,
  kStopping = 4,
  kStopped = 5,
  kSucceeded = 6,
  kFailed = 7,
  // The processes ended without an end state.  Not on the wire.
  kInterrupted = 100,
};

// Lower case, as in summary.json: "running".
absl::string_view StateName(JobState state);
JobState ParseState(absl::string_view name);
// No step follows unless the job is resumed.
bool IsEndState(JobState state);

struct StageView {
  std::string name;
  std::string type;
  uint64_t steps_done = 0;   // Steps, or scored prompts.
  uint64_t steps_total = 0;  // 0: unknown.
  double seconds = 0;        // Over all attempts.
  bool done = false;
  bool running = false;
  std::map<std::string, double> metrics;  // The latest, under TRL's names.

  std::optional<double> Metric(absl::string_view key) const;
};

// The accuracy of a stage's latest step or eval, whatever its metric is called.
std::optional<double> AccuracyOf(const StageView& stage);
// The mean number of tokens in a completion.
std::optional<double> LengthOf(const StageView& stage);

struct JobView {
  std::string name;
  JobState state = JobState::kUnknown;
  std::vector<StageView> stages;
  size_t current_stage = 0;
  std::string checksum;          // Chained over the steps; "" before a step.
  std::string weights_checksum;  // "" before a step.
  std::string problem;  // Why the job failed or stopped, or what was not saved.
  std::string not_reproducible;     // Why another run may have another result.
  std::vector<std::string> waits;   // A sentence for each wait.
  double started_unix_seconds = 0;  // 0: unknown.
  double seconds = 0;
  uint64_t groups_leased = 0;
  uint64_t groups_delivered = 0;
  uint64_t tokens_compared = 0;  // Log-probabilities, actor against learner.
  uint64_t tokens_differing = 0;
  std::string run_directory;
  double rollout_tokens_per_second = 0;

  // The stage at work, or the last one; null without stages.
  const StageView* Current() const;
  // Steps over all stages.  It increases whenever the job progresses.
  uint64_t StepsDone() const;
};

// What is not known is left out: the files of a run do not say when the job
// began, and there is no checksum before the first step.
Json ToJson(const JobView& job);

// A process that is connected to the coordinator.
struct MemberView {
  std::string role;  // "actor", "reward", "learner".
  std::string name;
  std::string address;
  std::string metrics_address;
  uint32_t rank = 0;
  double last_seen_seconds = 0;  // Ago.
  uint64_t leases = 0;
  std::string waiting_for;
  double tokens_per_second = 0;
  std::string numeric_class;
  bool draining = false;
};

Json ToJson(const MemberView& member);

}  // namespace aha::run
