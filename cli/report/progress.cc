#include "cli/report/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

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

Paint PaintOf(JobState state) {
  switch (state) {
    case JobState::kRunning:
    case JobState::kSucceeded:
      return Paint::kGreen;
    case JobState::kFailed:
      return Paint::kRed;
    case JobState::kPaused:
    case JobState::kStopping:
    case JobState::kStopped:
    case JobState::kInterrupted:
      return Paint::kYellow;
    case JobState::kUnknown:
    case JobState::kPending:
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

const char* UnitOf(const StageView& stage) {
  return stage.type == "eval" ? "prompts" : "steps";
}

// "pass@1 21.5 %   length 18.4": what a finished stage came to.
std::string Outcome(const StageView& stage) {
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
  // Milliseconds would promise what an estimate cannot hold.
  return absl::StrCat(
      "ETA ", FormatSeconds(std::max(1.0, absl::ToDoubleSeconds(*remaining))));
}

double FractionOf(const StageView& stage) {
  if (stage.steps_total == 0) return 0;
  return static_cast<double>(stage.steps_done) /
         static_cast<double>(stage.steps_total);
}

std::string StageLine(const StageView& stage,
                      const std::optional<absl::Duration>& remaining,
                      int name_width, const Style& style) {
  const Marks marks = MarksOf(style.glyphs);
  const std::string head =
      absl::StrCat(PadRight(OneLine(stage.name), name_width, style.glyphs),
                   "  ", PadRight(stage.type, 4));
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
  // What a narrow window has no room for goes: the bar, then the ETA.
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
                      // One value is no curve.
                      values.size() < 2
                          ? ""
                          : Painted(Sparkline(values, room, style.glyphs),
                                    Paint::kCyan, style));
}

std::string HeadLine(const JobView& job, double seconds, const Style& style) {
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

void AddCurves(const StageView& stage, const JobView& job,
               const StageCurves& curves, const Style& style,
               std::vector<std::string>* lines) {
  if (const auto reward = stage.Metric("reward")) {
    lines->push_back(CurveLine("reward", absl::StrFormat("%.3f", *reward),
                               curves.reward, style));
  }
  if (const auto length = LengthOf(stage)) {
    lines->push_back(CurveLine("length",
                               absl::StrFormat("%.1f tokens", *length),
                               curves.length, style));
  }
  std::vector<std::string> facts;
  if (const auto accuracy = AccuracyOf(stage)) {
    facts.push_back(absl::StrCat("pass@1 ", FormatPercent(*accuracy)));
  }
  if (const auto loss = stage.Metric("loss"); loss && stage.type == "sft") {
    facts.push_back(absl::StrFormat("loss %.3f", *loss));
  }
  if (const auto clipped = stage.Metric("completions/clipped_ratio");
      clipped && *clipped > 0) {
    facts.push_back(absl::StrCat("cut off ", FormatPercent(*clipped)));
  }
  if (job.rollout_tokens_per_second > 0) {
    facts.push_back(absl::StrCat(
        FormatCount(static_cast<uint64_t>(job.rollout_tokens_per_second)),
        " tokens/s"));
  }
  if (job.tokens_compared > 0) {
    facts.push_back(
        absl::StrCat(job.tokens_differing == 0 ? "exact" : "NOT EXACT", " (",
                     FormatCount(job.tokens_differing), " of ",
                     FormatCount(job.tokens_compared), " tokens differ)"));
  }
  if (!facts.empty()) {
    lines->push_back(Ellipsize(absl::StrCat("  ", absl::StrJoin(facts, "   ")),
                               style.width, style.glyphs));
  }
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

void Progress::Observe(absl::Time now, const JobView& job) {
  if (!observed_ || job.state != job_.state ||
      job.StepsDone() != job_.StepsDone() ||
      job.groups_delivered != job_.groups_delivered) {
    // What a pause takes says nothing about a step.
    if (observed_ && job.state == job_.state) {
      longest_gap_ = std::max(longest_gap_, now - moved_at_);
    }
    moved_at_ = now;
  }
  job_ = job;
  observed_ = true;
  seen_ = now;
  const StageView* stage = job_.Current();
  if (stage == nullptr) return;
  eta_.Observe(now, stage->name, stage->steps_done, stage->steps_total);
  if (stage->name != curves_.stage) {
    curves_ = {stage->name, {}, {}};
    curve_steps_ = 0;
  } else if (curve_steps_ == 0 && !curves_.reward.empty()) {
    curve_steps_ = stage->steps_done;  // The seed has them.
  }
  if (stage->steps_done == curve_steps_) return;
  curve_steps_ = stage->steps_done;
  if (const auto reward = stage->Metric("reward")) {
    curves_.reward.push_back(*reward);
  }
  if (const auto length = LengthOf(*stage)) {
    curves_.length.push_back(*length);
  }
}

bool Progress::Stalled(absl::Time now) const {
  // A long step is no news to who has seen one as long.
  return now - moved_at_ >= std::max(kStall, 2 * longest_gap_);
}

std::vector<std::string> Progress::RenderBlock(absl::Time now,
                                               const Style& style) const {
  if (!observed_) return {"aha  starting"};
  // Between two looks the clock goes on.
  const double seconds =
      job_.seconds +
      (IsEndState(job_.state) ? 0 : absl::ToDoubleSeconds(now - seen_));
  std::vector<std::string> lines = {HeadLine(job_, seconds, style), ""};
  int name_width = 4;
  for (const StageView& stage : job_.stages) {
    name_width = std::max(name_width, DisplayWidth(OneLine(stage.name)));
  }
  name_width = std::min(name_width, std::max(8, style.width / 4));
  for (const StageView& stage : job_.stages) {
    lines.push_back(StageLine(stage, eta_.Remaining(now), name_width, style));
  }
  const size_t before = lines.size();
  lines.emplace_back();
  if (const StageView* stage = job_.Current()) {
    AddCurves(*stage, job_, curves_, style, &lines);
  }
  // Somebody always waits for somebody; it is news when nothing moves.
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

std::string Progress::StepLine(absl::Time now, const StageView& stage) const {
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

std::vector<std::string> Progress::RenderLines(absl::Time now,
                                               absl::Duration interval) {
  std::vector<std::string> lines;
  if (!observed_) return lines;
  const auto say = [&](const std::string& text) {
    lines.push_back(
        absl::StrCat("[", PadLeft(FormatSeconds(job_.seconds), 7), "] ", text));
  };
  const auto say_state = [&] {
    if (job_.state == said_state_) return;
    said_state_ = job_.state;
    say(absl::StrCat("job ", OneLine(job_.name), ": ", StateName(job_.state)));
  };
  // An end is said after the last stage's.
  if (!IsEndState(job_.state)) say_state();
  said_done_.resize(job_.stages.size(), false);
  for (size_t i = 0; i < job_.stages.size(); ++i) {
    const StageView& stage = job_.stages[i];
    if (!stage.done || said_done_[i]) continue;
    said_done_[i] = true;
    said_at_ = now;
    say(absl::StrCat(StepLine(now, stage), "  done in ",
                     FormatSeconds(stage.seconds)));
  }
  say_state();
  if (Stalled(now) && now - said_waits_at_ >= kWaitsInterval) {
    said_waits_at_ = now;
    for (const std::string& wait : job_.waits) {
      say(absl::StrCat("nothing moves for ",
                       FormatSeconds(absl::ToDoubleSeconds(now - moved_at_)),
                       ": ", OneLine(wait)));
    }
  }
  const StageView* stage = job_.Current();
  if (stage == nullptr || stage->done || !stage->running) return lines;
  const bool new_stage = stage->name != said_stage_;
  if (!new_stage &&
      (stage->steps_done == said_steps_ || now - said_at_ < interval)) {
    return lines;
  }
  said_stage_ = stage->name;
  said_steps_ = stage->steps_done;
  said_at_ = now;
  say(StepLine(now, *stage));
  return lines;
}

}  // namespace aha::cli
