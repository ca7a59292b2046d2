// Reads a run directory (docs/design.md section 10) and its neighbours.
//
// Files may be half-written, of another version or damaged at any time: what
// cannot be read is left out or is an error that names the file, never a
// crash.  Stateless; nothing is cached.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/report/job_view.h"

namespace aha::cli {

struct Endpoint {
  std::string address;
  uint64_t epoch = 0;
  pid_t pid = 0;
  std::string host;  // Where the pid means something; "" if unknown.

  bool OnThisHost() const;
};

struct ProcessEntry {
  std::string name;
  std::string role;
  pid_t pid = 0;

  friend bool operator==(const ProcessEntry&, const ProcessEntry&) = default;
};

struct EvalResult {
  std::string stage;
  double prompts = 0;
  double pass_at_1 = 0;
  double mean_completion_length = 0;
};

// summary.json.
struct RunSummary {
  JobView job;  // Name, state, stages, checksums, problem, exactness.
  double steps = 0;
  std::optional<EvalResult> before;
  std::optional<EvalResult> after;
  double train_tokens_per_second = 0;
  uint64_t peak_rss_bytes = 0;
};

// A line of metrics.jsonl.
struct StepMetrics {
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;
};

struct StageCurves {
  std::string stage;
  std::vector<double> reward;
  std::vector<double> length;
};

class RunDirectory {
 public:
  explicit RunDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string File(absl::string_view name) const;

  // Whether a job was ever started here.
  bool HoldsRun() const;
  // The `name` of job.yaml; "" if it cannot be read.
  std::string JobName() const;

  absl::StatusOr<Endpoint> ReadEndpoint() const;
  absl::StatusOr<std::vector<ProcessEntry>> ReadProcesses() const;
  absl::StatusOr<RunSummary> ReadSummary() const;
  // Lines that are not JSON are counted in `broken`, if given.
  absl::StatusOr<std::vector<StepMetrics>> ReadMetrics(
      int* broken = nullptr) const;
  absl::StatusOr<std::vector<Json>> ReadEvents() const;
  // Complete checkpoints (those with a manifest), oldest first.
  std::vector<std::string> Checkpoints() const;
  std::vector<std::string> LogNames() const;

  // Reward and length of the stage that metrics.jsonl ends with, by step.
  StageCurves ReadCurves() const;

  // What is known without asking anybody: the summary if the job ended, else
  // the job's name and kInterrupted with what metrics.jsonl tells.
  JobView ViewFromFiles() const;

  // One line of events.jsonl, written at once.
  absl::Status AppendEvent(absl::string_view event, const Json& fields) const;

 private:
  bool StartedAfterSummary() const;

  std::string path_;
};

// "running" is not "exists": true also if it belongs to somebody else.
bool ProcessIsAlive(pid_t pid);
// The base name of the program that `pid` runs, "" if it is gone.
std::string ProgramOf(pid_t pid);

// The run directories below `root`, by name.
std::vector<RunDirectory> FindRuns(const std::string& root);

// `name`: a directory with a run, or a run below `root`; "": the only or the
// latest run below `root`.  kNotFound names what was looked for.
absl::StatusOr<RunDirectory> ResolveRun(const std::string& name,
                                        const std::string& directory,
                                        const std::string& root);

// Non-empty lines of a JSON Lines text; broken ones are counted and left out.
std::vector<Json> ParseJsonLines(absl::string_view text, int* broken);

}  // namespace aha::cli
