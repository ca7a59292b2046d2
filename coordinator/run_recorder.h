// Records a run for people and scripts: events.jsonl, metrics.jsonl,
// summary.json, the time spent in each stage, and the Prometheus series.
//
// Nothing that it writes is read to continue a job, so a write that fails is
// logged and the job continues.  What continues a job is in StateStore.
//
// Usage, in the order of a job:
//
//   RunRecorder recorder(parts, *store.StageSeconds());
//   recorder.MatchMetrics(history.position());   // Also after a rollback.
//   recorder.EnterStage(0, /*running=*/false, "0 (grpo, grpo) from step 0");
//   recorder.StartClock();                       // The members are there.
//   recorder.RecordStep(commit, request.metrics(), history.position());
//   recorder.LeaveStage();
//   recorder.WriteSummary(run::JobState::kSucceeded, "", history);
//
// Thread-compatible: callers lock.  Time comes from the clocks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "coordinator/history.h"
#include "coordinator/series.h"
#include "job/plan.h"
#include "run/job_view.h"
#include "run/summary.h"
#include "run/writer.h"

namespace aha::coordinator {

class RunRecorder {
 public:
  // Nothing is owned; all must outlive the recorder.
  struct Parts {
    const JobPlan* plan = nullptr;
    run::RunWriter* directory = nullptr;
    StateStore* store = nullptr;
    Series series;
    Clock clock;                              // Monotonic.
    Clock wall_clock;                         // For people.
    std::vector<run::DataSummary> data = {};  // For the summary.
  };
  // `stage_seconds`: spent in each stage by earlier processes.
  RunRecorder(Parts parts, std::map<uint32_t, double> stage_seconds);

  // --- Events
  // A line of events.jsonl and of the log.
  void Event(const std::string& event, const std::string& text);
  // The same for what ends the job or what its result lacks.
  void Failure(const std::string& text);
  // The same for what a member reports and the job survives.
  void Warning(const std::string& text);

  // --- The state of the job and its stages
  void ShowState(run::JobState state);
  void ShowEpoch(uint64_t epoch);
  // The job is at stage `stage` from now on.  Its clock runs if `running`.
  void EnterStage(uint32_t stage, bool running, const std::string& text);
  // The clock of the stage runs from now on, unless it does already.
  void StartClock();
  void LeaveStage();
  // Whether the clock of `stage` runs.
  bool IsRunning(uint32_t stage) const;
  // Spent in the stage so far, over all processes.
  double StageSeconds(uint32_t stage) const;
  // Sets the time of the last progress to now: a step, a group or a stage.
  void ShowProgress();
  void ShowVersion(uint64_t version);
  void ShowEval(const EvalRecord& eval);

  // --- Steps
  // Makes metrics.jsonl hold the lines of the commits before `position`, and
  // no others.
  void MatchMetrics(const Position& position);
  // Does so only if a line could not be written before.
  void RepairMetrics(const Position& position);
  // A step that was committed just now; `position` is the one after it.
  void RecordStep(const CommitRecord& commit,
                  const std::map<std::string, double>& metrics,
                  const Position& position);

  // --- The whole run
  // `failure`: why the job failed or stopped, or what its result lacks.
  void WriteSummary(run::JobState state, const std::string& failure,
                    const History& history);
  bool HasSummary() const;

  // Another run of the job may have another result, and why.  The first reason
  // is kept with the run.
  void MarkNotReproducible(const std::string& why);
  // Reads the mark of the processes before this one.
  absl::Status RestoreMark();
  const std::string& not_reproducible() const { return not_reproducible_; }
  void RemoveSummary();

  absl::Time started_wall() const { return started_wall_; }
  double seconds() const;  // Since this process began the job.
  const Series& series() const { return parts_.series; }

 private:
  const Parts parts_;
  const absl::Time started_;
  const absl::Time started_wall_;
  std::string not_reproducible_;              // Why; "" if nothing says so.
  std::map<uint32_t, double> stage_seconds_;  // Without the running time.
  uint32_t stage_ = 0;                        // Entered last.
  std::optional<absl::Time> running_since_;   // While its clock runs.
  // metrics.jsonl lacks a line that could not be written.
  bool metrics_lack_lines_ = false;
  // Sums over the steps that this process saw from beginning to end.
  double train_tokens_ = 0;
  double train_seconds_ = 0;
  std::optional<double> last_num_tokens_;
};

}  // namespace aha::coordinator
