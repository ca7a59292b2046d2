#include "run/rollouts.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <system_error>
#include <tuple>

#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"
#include "run/fields.h"
#include "run/layout.h"
#include "run/lines.h"

namespace aha::run {

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& verdict, RolloutVerdict*) {
  fields("outcome", verdict.outcome);
  fields("evidence", verdict.evidence);
}

template <class Fields, class Self>
void DescribeFields(Fields& fields, Self& rollout, Rollout*) {
  fields("step", rollout.step);
  fields("slot", rollout.slot);
  fields("sample", rollout.sample);
  fields("prompt_id", rollout.prompt_id);
  fields("prompt", rollout.prompt);
  fields("rendered_prompt", rollout.rendered_prompt);
  fields("prompt_token_ids", rollout.prompt_token_ids);
  fields("reference", rollout.reference);
  fields("completion", rollout.completion);
  fields("token_ids", rollout.token_ids);
  fields("logprobs", rollout.logprobs);
  fields("policy_version", rollout.policy_version);
  fields("finish_reason", rollout.finish_reason);
  fields("reward", rollout.reward);
  fields("rewards", rollout.rewards);
  fields.NotEmpty("verdicts", rollout.verdicts);
  fields("advantage", rollout.advantage);
}

std::string RolloutLine(const Rollout& rollout) { return ToLine(rollout); }

Json ToJson(const Rollout& rollout) { return ToJson<Rollout>(rollout); }

Rollout ParseRollout(const Json& line) { return FromJson<Rollout>(line); }

std::vector<RolloutRef> ListRollouts(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<RolloutRef> refs;
  std::map<std::string, fs::file_time_type> began;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const std::string file = it->path().filename().string();
    absl::string_view name = file;
    if (!absl::ConsumeSuffix(&name, kLinesSuffix)) continue;
    std::optional<NamedStep> named = ParseStepName(name);
    if (!named.has_value()) continue;
    RolloutRef ref{std::move(named->stage), named->step, it->path().string()};
    std::error_code ignored;
    const auto written = fs::last_write_time(ref.path, ignored);
    const auto [first, added] = began.emplace(ref.stage, written);
    if (!added) first->second = std::min(first->second, written);
    refs.push_back(std::move(ref));
  }
  std::sort(refs.begin(), refs.end(), [&](const auto& a, const auto& b) {
    return std::tie(began.at(a.stage), a.stage, a.step) <
           std::tie(began.at(b.stage), b.stage, b.step);
  });
  return refs;
}

absl::StatusOr<RolloutFile> ReadRollouts(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  RolloutFile file;
  file.path = path;
  for (const Json& line : ParseJsonLines(text, &file.broken)) {
    file.rollouts.push_back(ParseRollout(line));
  }
  if (!file.rollouts.empty()) file.step = file.rollouts.front().step;
  return file;
}

StepSummary Summarize(const RolloutFile& file) {
  StepSummary summary;
  summary.step = file.step;
  summary.trajectories = file.rollouts.size();
  if (file.rollouts.empty()) return summary;
  const double n = static_cast<double>(file.rollouts.size());
  std::map<uint64_t, std::set<double>> rewards_of;
  for (const Rollout& rollout : file.rollouts) {
    summary.policy_version = rollout.policy_version;
    summary.reward_mean += rollout.reward / n;
    summary.mean_length += static_cast<double>(rollout.token_ids.size()) / n;
    summary.clipped_ratio += rollout.finish_reason == "length" ? 1 / n : 0;
    rewards_of[rollout.slot].insert(rollout.reward);
  }
  double squares = 0;
  for (const Rollout& rollout : file.rollouts) {
    const double off = rollout.reward - summary.reward_mean;
    squares += off * off;
  }
  summary.reward_std = n > 1 ? std::sqrt(squares / (n - 1)) : 0;
  summary.groups = rewards_of.size();
  const auto degenerate =
      std::count_if(rewards_of.begin(), rewards_of.end(),
                    [](const auto& group) { return group.second.size() == 1; });
  summary.degenerate_ratio =
      static_cast<double>(degenerate) / static_cast<double>(rewards_of.size());
  return summary;
}

uint64_t MostInstructiveSlot(const RolloutFile& file) {
  std::map<uint64_t, std::vector<double>> rewards_of;
  for (const Rollout& rollout : file.rollouts) {
    rewards_of[rollout.slot].push_back(rollout.reward);
  }
  uint64_t best = rewards_of.empty() ? 0 : rewards_of.begin()->first;
  double widest = 0;
  for (const auto& [slot, rewards] : rewards_of) {
    const double n = static_cast<double>(rewards.size());
    const double mean =
        std::accumulate(rewards.begin(), rewards.end(), 0.0) / n;
    double variance = 0;
    for (const double reward : rewards) {
      variance += (reward - mean) * (reward - mean) / n;
    }
    if (variance > widest) {
      widest = variance;
      best = slot;
    }
  }
  return best;
}

}  // namespace aha::run
