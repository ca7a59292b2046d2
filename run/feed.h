// Everything that is shown of one job, whether it runs or has ended.
//
// Progress, `ahactl job describe`, `ahactl job watch` and reports read a
// JobFeed and nothing else, so each of them works on a live job, on a job
// elsewhere and on the files of a job that ended.  There are two kinds:
//
//   FileFeed               reads a run directory
//   cli/client/live_feed   asks the coordinator, and reads the files it has
//
// Usage:
//   run::FileFeed feed{run::RunReader("runs/tiny")};
//   AHA_ASSIGN_OR_RETURN(const run::JobView job, feed.Job());
//   for (const run::StepMetrics& step : feed.Metrics()) ...
//
// What is not there yet is empty; only Job() fails.  Owned by one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "run/events.h"
#include "run/job_view.h"
#include "run/metrics.h"
#include "run/processes.h"
#include "run/reader.h"
#include "run/rollouts.h"
#include "run/summary.h"

namespace aha::run {

class JobFeed {
 public:
  virtual ~JobFeed() = default;

  // The job at this moment.
  virtual absl::StatusOr<JobView> Job() = 0;
  // The processes that are connected to the coordinator; none once it is gone.
  virtual std::vector<MemberView> Members() = 0;

  // How the latest attempt ended; nothing while it runs.
  virtual std::optional<Summary> End() = 0;
  // The committed steps of all stages, in order.
  virtual std::vector<StepMetrics> Metrics() = 0;
  // The latest `most` events, the newest last.
  virtual std::vector<Event> Events(size_t most) = 0;
  // The processes of a local cluster.
  virtual std::vector<ProcessEntry> Processes() = 0;
  // Complete checkpoints, oldest first, relative to the run directory.
  virtual std::vector<std::string> Checkpoints() = 0;
  // The files of rollouts; ReadRollouts(ref.path) reads one.
  virtual std::vector<RolloutRef> Rollouts() = 0;
};

// The feed of a run directory, of which nothing else is asked.
class FileFeed : public JobFeed {
 public:
  // Finds the directory; called whenever files are needed.
  using Files = std::function<absl::StatusOr<RunReader>()>;

  explicit FileFeed(RunReader run)
      : FileFeed([run = std::move(run)] { return run; }) {}
  explicit FileFeed(Files files) : files_(std::move(files)) {}

  absl::StatusOr<JobView> Job() override;
  std::vector<MemberView> Members() override { return {}; }
  std::optional<Summary> End() override;
  std::vector<StepMetrics> Metrics() override;
  std::vector<Event> Events(size_t most) override;
  std::vector<ProcessEntry> Processes() override;
  std::vector<std::string> Checkpoints() override;
  std::vector<RolloutRef> Rollouts() override;

 private:
  const Files files_;
};

}  // namespace aha::run
