#include "run/summary.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "run/fields.h"

namespace aha::run {
namespace {

constexpr char kPeakMemory[] = "peak_rss_bytes";

}  // namespace

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& dataset, DatasetOutcome*) {
  fields("file", dataset.file);
  fields("prompts", dataset.prompts);
  fields("completions", dataset.completions);
  fields("mean_reward", dataset.mean_reward);
  fields("checksum", dataset.checksum);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& stage, SummaryStage*) {
  fields("name", stage.name);
  fields("type", stage.type);
  fields("seconds", stage.seconds);
  fields("steps_done", stage.steps_done);
  fields("steps_total", stage.steps_total);
  fields("done", stage.done);
  fields("dataset", stage.dataset);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& eval, EvalOutcome*) {
  fields("stage", eval.stage);
  fields("prompts", eval.prompts);
  fields("pass_at_1", eval.pass_at_1);
  fields("mean_completion_length", eval.mean_completion_length);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& data, DataSummary*) {
  fields("key", data.key);
  fields("use", data.use);
  fields("rows", data.rows);
  fields("prompts", data.prompts);
  fields.NotEmpty("skipped", data.skipped);
  fields("also_in_training", data.also_in_training);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& summary, Summary*) {
  fields("job", summary.job);
  fields("state", summary.state);
  fields("seconds", summary.seconds);
  fields("steps", summary.steps);
  fields("checksum", summary.checksum);
  fields("weights_checksum", summary.weights_checksum);
  fields("stages", summary.stages);
  fields.NotEmpty("data", summary.data);
  fields.Object("eval", [&](Fields& eval) {
    eval("before", summary.before);
    eval("after", summary.after);
  });
  fields.Object("exact", [&](Fields& exact) {
    exact("tokens_compared", summary.tokens_compared);
    exact("tokens_differing", summary.tokens_differing);
  });
  fields("rollout_tokens_per_second", summary.rollout_tokens_per_second);
  fields("train_tokens_per_second", summary.train_tokens_per_second);
  fields(kPeakMemory, summary.peak_rss_bytes);
  fields.NotEmpty("problem", summary.problem);
  fields.NotEmpty("not_reproducible", summary.not_reproducible);
}

Json ToJson(const Summary& summary) { return ToJson<Summary>(summary); }

std::string SummaryText(const Summary& summary) {
  return ToIndentedJson(ToJson(summary));
}

absl::StatusOr<Summary> ParseSummary(absl::string_view text,
                                     absl::string_view what) {
  AHA_ASSIGN_OR_RETURN(const Json json, ParseStoredJson(text, what));
  if (!json.is_object()) {
    return absl::DataLossError(
        absl::StrCat(what, " must be a JSON object, is ", json.type_name()));
  }
  return FromJson<Summary>(json);
}

absl::Status SetPeakMemory(FileSystem& files, const std::string& path,
                           uint64_t bytes) {
  AHA_ASSIGN_OR_RETURN(Json json, ReadJsonFile(path));
  if (!json.is_object()) {
    return absl::DataLossError(
        absl::StrCat(path, " must be a JSON object, is ", json.type_name()));
  }
  json[kPeakMemory] = bytes;
  return ReplaceFile(files, path, ToIndentedJson(json));
}

JobView Summary::View() const {
  JobView view;
  view.name = job;
  view.state = state;
  view.seconds = seconds;
  view.checksum = checksum;
  view.weights_checksum = weights_checksum;
  view.problem = problem;
  view.not_reproducible = not_reproducible;
  view.tokens_compared = tokens_compared;
  view.tokens_differing = tokens_differing;
  view.rollout_tokens_per_second = rollout_tokens_per_second;
  for (const SummaryStage& stage : stages) {
    StageView& shown = view.stages.emplace_back();
    shown.name = stage.name;
    shown.type = stage.type;
    shown.seconds = stage.seconds;
    shown.steps_done = stage.steps_done;
    shown.steps_total = stage.steps_total;
    shown.done = stage.done;
    if (stage.dataset.has_value()) {
      shown.metrics = {
          {"prompts", static_cast<double>(stage.dataset->prompts)},
          {"completions", static_cast<double>(stage.dataset->completions)}};
      if (const auto reward = stage.dataset->mean_reward) {
        shown.metrics["reward"] = *reward;
      }
    }
  }
  view.current_stage = stages.empty() ? 0 : stages.size() - 1;
  return view;
}

}  // namespace aha::run
