#include "cli/report/progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/term/text.h"
#include "job/stages/stage_kind.h"

namespace aha::cli {
namespace {

constexpr size_t kSpeedWindow = 24;  // Steps that the ETA looks back.
constexpr absl::Duration kStall = absl::Seconds(10);
constexpr absl::Duration kWaitsInterval = absl::Seconds(30);  // In a log.

enum class Paint { kNone, kBold, kDim, kGreen, kYellow, kRed, kCyan };

std::string Painted(const std::string& text, Paint paint, const Style& style) {
  if (!style.color || paint == Paint::kNone) return text;
  const char* code = "0";
  switch (paint) {
    case Paint::kNone:
      break;
    case Paint::kBold:
      code = "1";
      break;
    case Paint::kDim:
      code = "2";
      break;
    case Paint::kGreen:
      code = "32";
      break;
    case Paint::kYellow:
      code = "33";
      break;
    case Paint::kRed:
      code = "31";
      break;
    case Paint::kCyan:
      code = "36";
      break;
  }
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

Paint PaintOf(run::JobState state) {
  switch (state) {
    case run::JobState::kRunning:
    case run::JobState::kSucceeded:
      return Paint::kGreen;
    case run::JobState::kFailed:
      return Paint::kRed;
    case run::JobState::kPaused:
    case run::JobState::kStopping:
    case run::JobState::kStopped:
    case run::JobState::kInterrupted:
      return Paint::kYellow;
    case run::JobState::kUnknown:
    case run::JobState::kPending:
      return Paint::kCyan;
  }
  return Paint::kNone;
}

struct Marks {
  const char* done;
  const char* running;
  const char* waiting;
};

Marks MarksOf(Glyphs glyphs) {
  if (glyphs == Glyphs::kUnicode) return {"✓", "▶", "·"};
  return {"+", ">", "."};
}

// What the stage counts.  A run that left no summary does not say of which
// kinds its stages are; what is known of it are the steps of metrics.jsonl.
absl::string_view UnitOf(const run::StageView& stage) {
  const StageKind* const kind = FindStageKind(stage.type);
  return kind == nullptr ? "steps" : kind->traits().unit();
}

// The result of a stage: "pass@1 21.5 %   length 18.4".
std::string Outcome(const run::StageView& stage) {
  std::vector<std::string> parts;
  if (const auto accuracy = AccuracyOf(stage)) {
    parts.push_back(absl::StrCat("pass@1 ", FormatPercent(*accuracy)));
  }
  if (const auto length = LengthOf(stage)) {
    parts.push_back(absl::StrFormat("length %.1f", *length));
  }
  if (const auto loss = stage.Metric("loss"); loss && parts.empty()) {
    parts.push_back(absl::StrFormat("loss %.3f", *loss));
  }
  return absl::StrJoin(parts, "   ");
}

std::string EtaText(const std::optional<absl::Duration>& remaining) {
  if (!remaining) return "";
  // An estimate is not exact to the millisecond.
  return absl::StrCat(
      "ETA ", FormatSeconds(std::max(1.0, absl::ToDoubleSeconds(*remaining))));
}

double FractionOf(const run::StageView& stage) {
  if (stage.steps_total == 0) return 0;
  return static_cast<double>(stage.steps_done) /
         static_cast<double>(stage.steps_total);
}

// The widths of the names and of the types of all stages.
struct Columns {
  int name = 4;
  int type = 4;
};

Columns ColumnsOf(const std::vector<run::StageView>& stages, int width) {
  Columns columns;
  for (const run::StageView& stage : stages) {
    columns.name = std::max(columns.name, DisplayWidth(OneLine(stage.name)));
    columns.type = std::max(columns.type, DisplayWidth(OneLine(stage.type)));
  }
  columns.name = std::min(columns.name, std::max(8, width / 4));
  columns.type = std::min(columns.type, 8);
  return columns;
}

std::string StageLine(const run::StageView& stage,
                      const std::optional<absl::Duration>& remaining,
                      const Columns& columns, const Style& style) {
  const Marks marks = MarksOf(style.glyphs);
  const std::string head = absl::StrCat(
      PadRight(OneLine(stage.name), columns.name, style.glyphs), "  ",
      PadRight(OneLine(stage.type), columns.type, style.glyphs));
  const int room = style.width - 4 - DisplayWidth(head) - 2;
  if (stage.done) {
    const std::string time = FormatSeconds(stage.seconds);
    const std::string count =
        absl::StrCat(FormatCount(stage.steps_done), " ", UnitOf(stage));
    const std::string middle =
        absl::StrCat(PadRight(count, 16), Outcome(stage));
    return absl::StrCat("  ", Painted(marks.done, Paint::kGreen, style), " ",
                        head, "  ",
                        PadRight(middle, std::max(0, room - 9), style.glyphs),
                        PadLeft(time, std::min(9, room)));
  }
  if (!stage.running) {
    return Painted(absl::StrCat("  ", marks.waiting, " ", head), Paint::kDim,
                   style);
  }
  const std::string count = absl::StrCat(FormatCount(stage.steps_done), "/",
                                         FormatCount(stage.steps_total));
  const std::string percent =
      absl::StrFormat("%3.0f %%", FractionOf(stage) * 100);
  std::string eta = EtaText(remaining);
  if (!eta.empty()) eta = absl::StrCat("  ", eta);
  // A narrow window has no room for the bar, a narrower one none for the ETA.
  const int counts = room >= 30 ? 16 : DisplayWidth(count) + 1;
  const int left = room - counts - DisplayWidth(percent) - 1;
  const int bar = std::clamp(left - 14, 0, 30);
  if (DisplayWidth(eta) > left - bar) eta.clear();
  const std::string text =
      absl::StrCat(PadRight(count, counts),
                   Painted(ProgressBar(FractionOf(stage), bar, style.glyphs),
                           Paint::kCyan, style),
                   " ", percent, eta);
  return absl::StrCat("  ", Painted(marks.running, Paint::kCyan, style), " ",
                      Painted(head, Paint::kBold, style), "  ", text);
}

std::string CurveLine(absl::string_view label, const std::string& value,
                      const std::vector<double>& values, const Style& style) {
  const int room = std::clamp(style.width - 2 - 12 - 16, 0, 48);
  return absl::StrCat("  ", PadRight(label, 12), PadRight(value, 16),
                      // A curve needs two values.
                      values.size() < 2
                          ? ""
                          : Painted(Sparkline(values, room, style.glyphs),
                                    Paint::kCyan, style));
}

std::string HeadLine(const run::JobView& job, double seconds,
                     const Style& style) {
  const std::string state(StateName(job.state));
  const std::string time = FormatSeconds(seconds);
  const int fixed =
      5 + 2 + static_cast<int>(state.size()) + 2 + DisplayWidth(time);
  const std::string name = Ellipsize(
      OneLine(job.name), std::max(8, style.width - fixed), style.glyphs);
  const int left = style.width - fixed - DisplayWidth(name) - 2;
  const std::string where =
      left > 8 ? PadLeft(OneLine(job.run_directory), left, style.glyphs) : "";
  return absl::StrCat(Painted("aha", Paint::kBold, style), "  ",
                      Painted(name, Paint::kBold, style), "  ",
                      Painted(state, PaintOf(job.state), style), "  ", time,
                      where.empty() ? "" : "  ",
                      Painted(where, Paint::kDim, style));
}

// "pass@1 48.3 %   5,321 tokens/s   exact (0 of 123,456 tokens differ)".
std::string FactsLine(const run::StageView& stage, const run::JobView& job,
                      const Style& style) {
  std::vector<std::string> facts;
  if (const auto accuracy = AccuracyOf(stage)) {
    facts.push_back(absl::StrCat("pass@1 ", FormatPercent(*accuracy)));
  }
  if (const auto loss = stage.Metric("loss")) {
    facts.push_back(absl::StrFormat("loss %.3f", *loss));
  }
  if (const auto clipped = stage.Metric("completions/clipped_ratio");
      clipped && *clipped > 0) {
    facts.push_back(absl::StrCat("cut off ", FormatPercent(*clipped)));
  }
  if (job.rollout_tokens_per_second > 0) {
    facts.push_back(absl::StrCat(FormatCount(static_cast<uint64_t>(std::min(
                                     job.rollout_tokens_per_second, 1e18))),
                                 " tokens/s"));
  }
  if (job.tokens_compared > 0) {
    facts.push_back(
        absl::StrCat(job.tokens_differing == 0 ? "exact" : "NOT EXACT", " (",
                     FormatCount(job.tokens_differing), " of ",
                     FormatCount(job.tokens_compared), " tokens differ)"));
  }
  if (facts.empty()) return "";
  return Ellipsize(absl::StrCat("  ", absl::StrJoin(facts, "   ")), style.width,
                   style.glyphs);
}

}  // namespace

void EtaEstimator::Observe(absl::Time now, absl::string_view stage,
                           uint64_t done, uint64_t total) {
  if (stage != stage_ || (!samples_.empty() && done < samples_.back().done)) {
    samples_.clear();
  }
  stage_ = std::string(stage);
  total_ = total;
  if (!samples_.empty() && samples_.back().done == done) return;
  samples_.push_back({now, done});
  if (samples_.size() > kSpeedWindow) samples_.pop_front();
}

std::optional<absl::Duration> EtaEstimator::Remaining(absl::Time now) const {
  if (samples_.size() < 2 || samples_.back().done >= total_) {
    return std::nullopt;
  }
  const Sample& first = samples_.front();
  const Sample& last = samples_.back();
  const absl::Duration per_step =
      (last.time - first.time) / static_cast<double>(last.done - first.done);
  const absl::Duration left =
      per_step * static_cast<double>(total_ - last.done) - (now - last.time);
  // While the running step takes longer than the ones before, the time left
  // is at least that of the steps after it.
  const absl::Duration after =
      per_step * static_cast<double>(total_ - last.done - 1);
  return std::max(left, after);
}

absl::Status Progress::Look(absl::Time now) {
  AHA_ASSIGN_OR_RETURN(run::JobView job, feed_->Job());
  if (!observed_) {
    if (const run::StageView* stage = job.Current()) {
      const std::vector<run::StepMetrics> steps = feed_->Metrics();
      curves_ = {stage->name, run::CurveOf(steps, stage->name, "reward"),
                 run::CurveOf(steps, stage->name, "completions/mean_length")};
      // The step that the job shows as its latest is one of these.
      if (!curves_.reward.empty()) curve_steps_ = stage->steps_done;
    }
  }
  Observe(now, std::move(job));
  return absl::OkStatus();
}

void Progress::Observe(absl::Time now, run::JobView job) {
  if (!observed_ || job.state != job_.state ||
      job.StepsDone() != job_.StepsDone() ||
      job.groups_delivered != job_.groups_delivered) {
    // The duration of a pause says nothing about that of a step.
    if (observed_ && job.state == job_.state) {
      longest_gap_ = std::max(longest_gap_, now - moved_at_);
    }
    moved_at_ = now;
  }
  job_ = std::move(job);
  observed_ = true;
  seen_ = now;
  const run::StageView* stage = job_.Current();
  if (stage == nullptr) return;
  eta_.Observe(now, stage->name, stage->steps_done, stage->steps_total);
  ExtendCurves(*stage);
}

void Progress::ExtendCurves(const run::StageView& stage) {
  if (stage.name != curves_.stage) {
    curves_ = {stage.name, {}, {}};
    curve_steps_ = 0;
  }
  if (stage.steps_done == curve_steps_) return;
  curve_steps_ = stage.steps_done;
  if (const auto reward = stage.Metric("reward")) {
    curves_.reward.push_back(*reward);
  }
  if (const auto length = LengthOf(stage)) curves_.length.push_back(*length);
}

bool Progress::Stalled(absl::Time now) const {
  // A step may take as long as the longest one so far, and some longer.
  return now - moved_at_ >= std::max(kStall, 2 * longest_gap_);
}

std::vector<std::string> Progress::RenderBlock(absl::Time now,
                                               const Style& style) const {
  if (!observed_) return {"aha  starting"};
  // The job's own seconds are those of the last look.
  const double seconds =
      job_.seconds +
      (run::IsEndState(job_.state) ? 0 : absl::ToDoubleSeconds(now - seen_));
  std::vector<std::string> lines = {HeadLine(job_, seconds, style), ""};
  const Columns columns = ColumnsOf(job_.stages, style.width);
  for (const run::StageView& stage : job_.stages) {
    lines.push_back(StageLine(stage, eta_.Remaining(now), columns, style));
  }
  const size_t before = lines.size();
  lines.emplace_back();
  if (const run::StageView* stage = job_.Current()) {
    if (const auto reward = stage->Metric("reward")) {
      lines.push_back(CurveLine("reward", absl::StrFormat("%.3f", *reward),
                                curves_.reward, style));
    }
    if (const auto length = LengthOf(*stage)) {
      lines.push_back(CurveLine("length",
                                absl::StrFormat("%.1f tokens", *length),
                                curves_.length, style));
    }
    std::string facts = FactsLine(*stage, job_, style);
    if (!facts.empty()) lines.push_back(std::move(facts));
  }
  // There is always some process that waits for another.  A wait is worth
  // showing when nothing moves.
  const bool stalled = Stalled(now);
  for (const std::string& wait : job_.waits) {
    if (!stalled) break;
    lines.push_back(Painted(Ellipsize(absl::StrCat("  waits: ", OneLine(wait)),
                                      style.width, style.glyphs),
                            Paint::kYellow, style));
  }
  if (lines.size() == before + 1) lines.pop_back();
  return lines;
}

std::string Progress::StepLine(absl::Time now,
                               const run::StageView& stage) const {
  std::vector<std::string> parts = {
      absl::StrCat(OneLine(stage.name), " ", UnitOf(stage), " ",
                   stage.steps_done, "/", stage.steps_total)};
  if (const auto reward = stage.Metric("reward")) {
    parts.push_back(absl::StrFormat("reward %.3f", *reward));
  }
  const std::string outcome = Outcome(stage);
  if (!outcome.empty()) parts.push_back(outcome);
  const std::string eta = EtaText(eta_.Remaining(now));
  if (!eta.empty() && stage.running) parts.push_back(eta);
  return absl::StrJoin(parts, "  ");
}

std::string Progress::WaitLine(absl::Time now, const std::string& wait) const {
  return absl::StrCat("nothing moves for ",
                      FormatSeconds(absl::ToDoubleSeconds(now - moved_at_)),
                      ": ", OneLine(wait));
}

std::vector<std::string> Progress::EndedStages(absl::Time now) {
  std::vector<std::string> lines;
  printed_done_.resize(job_.stages.size(), false);
  for (size_t i = 0; i < job_.stages.size(); ++i) {
    const run::StageView& stage = job_.stages[i];
    if (!stage.done || printed_done_[i]) continue;
    printed_done_[i] = true;
    printed_at_ = now;
    lines.push_back(absl::StrCat(StepLine(now, stage), "  done in ",
                                 FormatSeconds(stage.seconds)));
  }
  return lines;
}

std::vector<std::string> Progress::StateChange() {
  if (job_.state == printed_state_) return {};
  printed_state_ = job_.state;
  return {
      absl::StrCat("job ", OneLine(job_.name), ": ", StateName(job_.state))};
}

bool Progress::StepIsDue(absl::Time now, absl::Duration interval) const {
  const run::StageView* stage = job_.Current();
  if (stage == nullptr || stage->done || !stage->running) return false;
  if (stage->name != printed_stage_) return true;
  return stage->steps_done != printed_steps_ && now - printed_at_ >= interval;
}

std::vector<std::string> Progress::RenderLines(absl::Time now,
                                               absl::Duration interval) {
  if (!observed_) return {};
  std::vector<std::string> lines;
  const auto add = [&lines](const std::vector<std::string>& more) {
    lines.insert(lines.end(), more.begin(), more.end());
  };
  // An end state is printed after the end of the last stage.
  if (!run::IsEndState(job_.state)) add(StateChange());
  add(EndedStages(now));
  add(StateChange());
  if (Stalled(now) && now - printed_waits_at_ >= kWaitsInterval) {
    printed_waits_at_ = now;
    for (const std::string& wait : job_.waits) {
      lines.push_back(WaitLine(now, wait));
    }
  }
  if (StepIsDue(now, interval)) {
    const run::StageView& stage = *job_.Current();
    printed_stage_ = stage.name;
    printed_steps_ = stage.steps_done;
    printed_at_ = now;
    lines.push_back(StepLine(now, stage));
  }
  const std::string time = PadLeft(FormatSeconds(job_.seconds), 7);
  for (std::string& line : lines) line = absl::StrCat("[", time, "] ", line);
  return lines;
}

}  // namespace aha::cli
