// Draws a job while it runs: as a block of lines that is redrawn in place, or
// as plain lines for a log.
//
// Render* are pure; Progress keeps what they need between two looks at the job
// (history for the sparklines, speed for the ETA).  Owned by one thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "cli/report/job_view.h"
#include "cli/report/run_directory.h"
#include "cli/term/text.h"

namespace aha::cli {

struct Style {
  int width = 80;
  bool color = false;
  Glyphs glyphs = Glyphs::kUnicode;
};

// Time left of the stage at work, from the speed of its latest steps.
class EtaEstimator {
 public:
  void Observe(absl::Time now, absl::string_view stage, uint64_t done,
               uint64_t total);
  // Nothing until two different counts were seen.
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
  // A look at the job.  `now` never decreases.
  void Observe(absl::Time now, const JobView& job);

  // The block, without newlines; every line at most style.width columns.
  std::vector<std::string> RenderBlock(absl::Time now,
                                       const Style& style) const;

  // A line for a log, if there is something worth one: a stage began or
  // ended, the state changed, or `interval` passed and a step was done.
  std::vector<std::string> RenderLines(
      absl::Time now, absl::Duration interval = absl::Seconds(2));

  // Before the first look: what an earlier attempt's steps were.
  void Seed(StageCurves curves) { curves_ = std::move(curves); }

 private:
  std::string StepLine(absl::Time now, const StageView& stage) const;
  bool Stalled(absl::Time now) const;

  JobView job_;
  bool observed_ = false;
  absl::Time seen_;
  absl::Time moved_at_;         // The last sign of progress.
  absl::Duration longest_gap_;  // Between two of them.
  uint64_t curve_steps_ = 0;
  StageCurves curves_;  // Of the stage at work.
  EtaEstimator eta_;
  // What RenderLines has said.
  JobState said_state_ = JobState::kUnknown;
  std::vector<bool> said_done_;
  std::string said_stage_;
  uint64_t said_steps_ = 0;
  absl::Time said_at_ = absl::InfinitePast();
  absl::Time said_waits_at_ = absl::InfinitePast();
};

}  // namespace aha::cli
