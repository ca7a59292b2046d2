#include "coordinator/run_recorder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "coordinator/log_status.h"
#include "coordinator/summary.h"
#include "run/layout.h"

namespace aha::coordinator {
namespace {

constexpr char kNotReproducible[] = "not_reproducible";

// 0 where a step does not report it, or not as a number.
double FiniteMetric(const std::map<std::string, double>& metrics,
                    const char* name) {
  const auto it = metrics.find(name);
  return it == metrics.end() || !std::isfinite(it->second) ? 0 : it->second;
}

}  // namespace

RunRecorder::RunRecorder(Parts parts, std::map<uint32_t, double> stage_seconds)
    : parts_(std::move(parts)),
      started_(parts_.clock()),
      started_wall_(parts_.wall_clock()),
      stage_seconds_(std::move(stage_seconds)) {}

void RunRecorder::Event(const std::string& event, const std::string& text) {
  AHA_LOG(kInfo) << event << ": " << text;
  parts_.directory->Event(event, text);
}

void RunRecorder::Failure(const std::string& text) {
  AHA_LOG(kError) << text;
  parts_.directory->Event("problem", text);
  parts_.series.problems.Increment();
}

void RunRecorder::Warning(const std::string& text) {
  AHA_LOG(kWarning) << text;
  parts_.directory->Event("problem", text);
  parts_.series.problems.Increment();
}

void RunRecorder::MarkNotReproducible(const std::string& why) {
  if (!not_reproducible_.empty()) return;
  not_reproducible_ = why;
  Event("not reproducible", why);
  WarnIfError(parts_.store->Set({{kNotReproducible, why}}));
}

absl::Status RunRecorder::RestoreMark() {
  AHA_ASSIGN_OR_RETURN(const auto mark, parts_.store->Get(kNotReproducible));
  not_reproducible_ = mark.value_or("");
  return absl::OkStatus();
}

void RunRecorder::ShowState(run::JobState state) {
  parts_.series.ShowState(state);
}

void RunRecorder::ShowEpoch(uint64_t epoch) {
  parts_.series.epoch.Set(static_cast<double>(epoch));
}

void RunRecorder::EnterStage(uint32_t stage, bool running,
                             const std::string& text) {
  stage_ = stage;
  running_since_.reset();
  if (running) StartClock();
  parts_.series.ShowStage(stage);
  ShowProgress();
  Event("stage", text);
}

void RunRecorder::StartClock() {
  if (!running_since_.has_value()) running_since_ = parts_.clock();
}

void RunRecorder::LeaveStage() {
  const double seconds = StageSeconds(stage_);
  if (running_since_.has_value()) stage_seconds_[stage_] = seconds;
  running_since_.reset();
}

bool RunRecorder::IsRunning(uint32_t stage) const {
  return stage == stage_ && running_since_.has_value();
}

double RunRecorder::StageSeconds(uint32_t stage) const {
  const auto it = stage_seconds_.find(stage);
  double seconds = it == stage_seconds_.end() ? 0 : it->second;
  if (IsRunning(stage)) {
    seconds += absl::ToDoubleSeconds(parts_.clock() - *running_since_);
  }
  return seconds;
}

void RunRecorder::ShowProgress() {
  parts_.series.last_progress.Set(
      absl::ToDoubleSeconds(parts_.wall_clock() - absl::UnixEpoch()));
}

void RunRecorder::ShowVersion(uint64_t version) {
  parts_.series.policy_version.Set(static_cast<double>(version));
}

void RunRecorder::ShowEval(const EvalRecord& eval) {
  parts_.series.ShowEval(parts_.plan->stages[eval.stage].name, eval.pass_at_1,
                         eval.mean_completion_length);
}

void RunRecorder::MatchMetrics(const Position& position) {
  const absl::Status written =
      parts_.directory->MatchMetrics([&](const run::TakeLine& take) {
        return parts_.store->EachMetricsLine(position.stage, position.step,
                                             take);
      });
  metrics_lack_lines_ = !written.ok();
  WarnIfError(written);
}

void RunRecorder::RepairMetrics(const Position& position) {
  if (metrics_lack_lines_) MatchMetrics(position);
}

void RunRecorder::RecordStep(const CommitRecord& commit,
                             const std::map<std::string, double>& metrics,
                             const Position& position) {
  if (metrics_lack_lines_) {
    MatchMetrics(position);
  } else {
    const absl::Status written =
        parts_.directory->AppendLine(run::kMetricsFile, commit.metrics_line);
    metrics_lack_lines_ = !written.ok();
    WarnIfError(written);
  }
  // num_tokens counts through the job, so the first value after the start of
  // this process does not say what was done in it.
  const double tokens = FiniteMetric(metrics, "num_tokens");
  if (last_num_tokens_.has_value()) {
    train_tokens_ += std::max(0.0, tokens - *last_num_tokens_);
    train_seconds_ += FiniteMetric(metrics, "step_time");
  }
  last_num_tokens_ = tokens;
  const Series& series = parts_.series;
  series.steps.Increment();
  series.groups_trained.Increment(static_cast<double>(commit.groups));
  series.tokens.Increment(static_cast<double>(commit.tokens));
  series.tokens_compared.Increment(static_cast<double>(commit.tokens_compared));
  series.ShowStep(metrics);
  ShowProgress();
}

void RunRecorder::WriteSummary(run::JobState state, const std::string& failure,
                               const History& history) {
  SummaryInput input{.plan = parts_.plan,
                     .state = state,
                     .failure = failure,
                     .not_reproducible = not_reproducible_,
                     .history = &history,
                     .data = parts_.data};
  for (uint32_t i = 0; i < parts_.plan->stages.size(); ++i) {
    input.stage_seconds.push_back(StageSeconds(i));
  }
  if (train_seconds_ > 0) {
    input.train_tokens_per_second = train_tokens_ / train_seconds_;
  }
  WarnIfError(
      parts_.directory->WriteWhole(run::kSummaryFile, SummaryJson(input)));
}

bool RunRecorder::HasSummary() const {
  std::error_code ignored;
  return std::filesystem::exists(parts_.directory->File(run::kSummaryFile),
                                 ignored);
}

void RunRecorder::RemoveSummary() {
  parts_.directory->Remove(run::kSummaryFile);
}

double RunRecorder::seconds() const {
  return absl::ToDoubleSeconds(parts_.clock() - started_);
}

}  // namespace aha::coordinator
