// summary.json: how an attempt of a job ended.
//
// The coordinator writes it when the job reaches an end state and removes it
// when the job continues; `ahactl run` adds the memory of the whole cluster.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "base/lenient_json.h"
#include "run/job_view.h"

namespace aha::run {

// What a stage of type `sample` wrote.
struct DatasetOutcome {
  std::string file = {};  // Relative to the run directory.
  uint64_t prompts = 0;
  uint64_t completions = 0;
  std::optional<double> mean_reward = {};  // Nothing in a job without rewards.
  std::string checksum = {};               // XXH3-128 of the bytes of the file.
};

struct SummaryStage {
  std::string name = {};
  std::string type = {};
  double seconds = 0;
  uint64_t steps_done = 0;
  uint64_t steps_total = 0;
  bool done = false;
  std::optional<DatasetOutcome> dataset = {};
};

// The result of a stage of type `eval`.
struct EvalOutcome {
  std::string stage = {};
  uint64_t prompts = 0;
  double pass_at_1 = 0;
  double mean_completion_length = 0;  // In tokens.
};

// What the files of the prompts held.
struct DataSummary {
  std::string key = {};  // "prompts.file"
  std::string use = {};  // "training" or "held_out"
  uint64_t rows = 0;
  uint64_t prompts = 0;  // Those of its rows that are used.
  // Rows that were left out, by their cause (docs/data.md).
  std::vector<std::pair<std::string, uint64_t>> skipped = {};
  // How many of held-out prompts are training prompts, too.
  std::optional<uint64_t> also_in_training = {};
};

struct Summary {
  std::string job = {};
  JobState state = JobState::kUnknown;
  double seconds = 0;  // Over all attempts.
  uint64_t steps = 0;  // Over all stages.
  std::string checksum = {};
  std::string weights_checksum = {};
  std::vector<SummaryStage> stages = {};
  std::vector<DataSummary> data = {};  // Empty: the prompts are generated.
  std::optional<EvalOutcome> before =
      {};  // The first eval that training followed.
  std::optional<EvalOutcome> after =
      {};  // The last eval that followed training.
  uint64_t tokens_compared = 0;
  uint64_t tokens_differing = 0;
  double rollout_tokens_per_second = 0;
  double train_tokens_per_second = 0;
  uint64_t peak_rss_bytes = 0;
  std::string problem =
      {};  // Why it failed or was stopped, or what was not saved.
  // Why another run of the job may have another result; else "".
  std::string not_reproducible = {};

  // Without metrics of the stages and with no run directory.
  JobView View() const;
};

std::string SummaryText(const Summary& summary);  // Indented, for people.
Json ToJson(const Summary& summary);
// DATA_LOSS: the text is not a JSON object; the error begins with `what`.
absl::StatusOr<Summary> ParseSummary(absl::string_view text,
                                     absl::string_view what);

// Replaces peak_rss_bytes in the summary.json at `path`.
absl::Status SetPeakMemory(FileSystem& files, const std::string& path,
                           uint64_t bytes);

}  // namespace aha::run
