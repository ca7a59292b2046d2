// Reads a run directory (docs/run-directory.md).
//
// A file may be missing, half-written, damaged or of another version at any
// time: it is left out or is an error that names it, never a crash.  Stateless:
// nothing is cached.  Thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "run/events.h"
#include "run/job_view.h"
#include "run/metrics.h"
#include "run/processes.h"
#include "run/rollouts.h"
#include "run/summary.h"

namespace aha::run {

class RunReader {
 public:
  explicit RunReader(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // The path of a file of layout.h.
  std::string File(absl::string_view name) const;

  // Whether a job was ever started here.
  bool HoldsRun() const;
  // Whether a job's work is here that a fresh start would lose: a step, an
  // eval, or a summary that cannot be read.  The database of the coordinator
  // decides; this answers from the files that stand beside it, which may lack
  // what was done in the instant before a crash.
  bool HoldsResults() const;
  // The `name` of job.yaml; "" if it cannot be read.
  std::string JobName() const;

  absl::StatusOr<Endpoint> ReadEndpoint() const;
  absl::StatusOr<std::vector<ProcessEntry>> ReadProcesses() const;
  absl::StatusOr<Summary> ReadSummary() const;
  absl::StatusOr<std::vector<StepMetrics>> ReadMetrics() const;
  absl::StatusOr<std::vector<Event>> ReadEvents() const;
  std::vector<RolloutRef> Rollouts() const;
  // Checkpoints that have a manifest, oldest first, relative to path().
  std::vector<std::string> Checkpoints() const;
  // Names of processes that have a log.
  std::vector<std::string> LogNames() const;
  // The files that are for people, relative to path(), by name.  A coordinator
  // gives these to its admins.  Links are left out, since they could lead
  // anywhere.
  std::vector<std::string> PublicFiles() const;

  // The job as the files show it: the summary if the job has ended, else the
  // job's name and kInterrupted with what metrics.jsonl shows.
  JobView View() const;

 private:
  bool StartedAfterSummary() const;

  std::string path_;
};

// The run directories below `root`, by name.
std::vector<RunReader> FindRuns(const std::string& root);

}  // namespace aha::run
