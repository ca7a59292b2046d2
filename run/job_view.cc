#include "run/job_view.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <type_traits>

namespace aha::run {
namespace {

struct NamedState {
  JobState state;
  absl::string_view name;
};

constexpr NamedState kStates[] = {
    {JobState::kUnknown, "unknown"},         {JobState::kPending, "pending"},
    {JobState::kRunning, "running"},         {JobState::kPaused, "paused"},
    {JobState::kStopping, "stopping"},       {JobState::kStopped, "stopped"},
    {JobState::kSucceeded, "succeeded"},     {JobState::kFailed, "failed"},
    {JobState::kInterrupted, "interrupted"},
};

Json ToJson(const StageView& stage) {
  Json metrics = Json::object();
  for (const auto& [name, value] : stage.metrics) metrics[name] = value;
  return {{"name", stage.name},
          {"type", stage.type},
          {"steps_done", stage.steps_done},
          {"steps_total", stage.steps_total},
          {"seconds", stage.seconds},
          {"done", stage.done},
          {"running", stage.running},
          {"metrics", std::move(metrics)}};
}

std::optional<double> FirstOf(const StageView& stage,
                              std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (std::optional<double> value = stage.Metric(key)) return value;
  }
  return std::nullopt;
}

}  // namespace

absl::string_view StateName(JobState state) {
  for (const NamedState& named : kStates) {
    if (named.state == state) return named.name;
  }
  return "unknown";
}

JobState ParseState(absl::string_view name) {
  for (const NamedState& named : kStates) {
    if (named.name == name) return named.state;
  }
  return JobState::kUnknown;
}

bool IsEndState(JobState state) {
  return state == JobState::kStopped || state == JobState::kSucceeded ||
         state == JobState::kFailed || state == JobState::kInterrupted;
}

std::optional<double> StageView::Metric(absl::string_view key) const {
  const auto found = metrics.find(std::string(key));
  if (found == metrics.end()) return std::nullopt;
  return found->second;
}

const StageView* JobView::Current() const {
  for (const StageView& stage : stages) {
    if (stage.running) return &stage;
  }
  if (stages.empty()) return nullptr;
  return &stages[std::min(current_stage, stages.size() - 1)];
}

uint64_t JobView::StepsDone() const {
  uint64_t steps = 0;
  for (const StageView& stage : stages) steps += stage.steps_done + stage.done;
  return steps;
}

std::optional<double> AccuracyOf(const StageView& stage) {
  return FirstOf(stage, {"pass_at_1", "rewards/accuracy/mean",
                         "rewards/last_number/mean", "rewards/boxed/mean"});
}

std::optional<double> LengthOf(const StageView& stage) {
  return FirstOf(stage, {"mean_completion_length", "completions/mean_length"});
}

Json ToJson(const JobView& job) {
  Json stages = Json::array();
  for (const StageView& stage : job.stages) stages.push_back(ToJson(stage));
  Json json = {{"name", job.name},
               {"state", StateName(job.state)},
               {"seconds", job.seconds}};
  const auto add_known = [&json](const char* key, const auto& value) {
    if (value != std::decay_t<decltype(value)>()) json[key] = value;
  };
  add_known("started_unix_seconds", job.started_unix_seconds);
  if (!job.stages.empty()) json["current_stage"] = job.current_stage;
  json["stages"] = std::move(stages);
  add_known("checksum", job.checksum);
  add_known("weights_checksum", job.weights_checksum);
  json["problem"] = job.problem;
  add_known("not_reproducible", job.not_reproducible);
  json["waits"] = job.waits;
  json["groups_leased"] = job.groups_leased;
  json["groups_delivered"] = job.groups_delivered;
  json["exact"] = {{"tokens_compared", job.tokens_compared},
                   {"tokens_differing", job.tokens_differing}};
  json["rollout_tokens_per_second"] = job.rollout_tokens_per_second;
  json["run_directory"] = job.run_directory;
  return json;
}

Json ToJson(const MemberView& member) {
  return {{"name", member.name},
          {"role", member.role},
          {"rank", member.rank},
          {"address", member.address},
          {"metrics_address", member.metrics_address},
          {"last_seen_seconds", member.last_seen_seconds},
          {"leases", member.leases},
          {"waiting_for", member.waiting_for},
          {"tokens_per_second", member.tokens_per_second},
          {"numeric_class", member.numeric_class},
          {"draining", member.draining}};
}

}  // namespace aha::run
