// Shows a job while it runs: as a block of lines that is redrawn in place, or
// as plain lines for a log.
//
//   Progress progress(&feed);
//   while (progress.Look(clock()).ok() &&
//          !run::IsEndState(progress.job().state)) {
//     screen.Draw(progress.RenderBlock(clock(), screen.style()));
//   }
//
// Between two looks it keeps the history that sparklines need and the speed
// that the ETA needs.  Owned by one thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/term/style.h"
#include "run/feed.h"

namespace aha::cli {

// Estimates the time left of the stage at work from its latest steps.
class EtaEstimator {
 public:
  void Observe(absl::Time now, absl::string_view stage, uint64_t done,
               uint64_t total);
  // Nothing until two different counts of steps were observed.
  std::optional<absl::Duration> Remaining(absl::Time now) const;

 private:
  struct Sample {
    absl::Time time;
    uint64_t done;
  };
  std::string stage_;
  uint64_t total_ = 0;
  std::deque<Sample> samples_;
};

class Progress {
 public:
  // `feed` is not owned.
  explicit Progress(run::JobFeed* feed) : feed_(feed) {}

  // Asks the feed for the job; its error changes nothing here.  The first look
  // also takes the steps that were committed before.  `now` never decreases.
  absl::Status Look(absl::Time now);
  // The job at the last look that succeeded.
  const run::JobView& job() const { return job_; }

  // The block, a line an element; each at most style.width columns wide.
  std::vector<std::string> RenderBlock(absl::Time now,
                                       const Style& style) const;

  // Lines for a log, if there is something worth one: a stage began or ended,
  // the state changed, nothing has moved for long, or `interval` passed and a
  // step was done.
  std::vector<std::string> RenderLines(
      absl::Time now, absl::Duration interval = absl::Seconds(2));

 private:
  // One metric of each step of the stage at work.
  struct Curves {
    std::string stage;
    std::vector<double> reward;
    std::vector<double> length;
  };

  void Observe(absl::Time now, run::JobView job);
  void ExtendCurves(const run::StageView& stage);
  std::string StepLine(absl::Time now, const run::StageView& stage) const;
  std::string WaitLine(absl::Time now, const std::string& wait) const;
  std::vector<std::string> EndedStages(absl::Time now);
  std::vector<std::string> StateChange();
  bool StepIsDue(absl::Time now, absl::Duration interval) const;
  bool Stalled(absl::Time now) const;

  run::JobFeed* const feed_;
  run::JobView job_;
  bool observed_ = false;
  absl::Time seen_;             // The last look.
  absl::Time moved_at_;         // The last sign of progress.
  absl::Duration longest_gap_;  // Between two of them.
  uint64_t curve_steps_ = 0;    // Steps that curves_ covers.
  Curves curves_;
  EtaEstimator eta_;
  // What RenderLines has printed.
  run::JobState printed_state_ = run::JobState::kUnknown;
  std::vector<bool> printed_done_;  // By stage.
  std::string printed_stage_;
  uint64_t printed_steps_ = 0;
  absl::Time printed_at_ = absl::InfinitePast();
  absl::Time printed_waits_at_ = absl::InfinitePast();
};

}  // namespace aha::cli
