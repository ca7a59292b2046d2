#include "cli/report/rollouts.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <system_error>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/file_io.h"
#include "base/status.h"
#include "cli/report/run_directory.h"

namespace aha::cli {
namespace {

constexpr int kNarrowestColumn = 32;
constexpr int kGap = 3;

int64_t IntegerOr0(const Json& object, const char* key) {
  const double value = NumberOr(object, key, 0);
  return std::abs(value) < 9e15 ? static_cast<int64_t>(value) : 0;
}

std::vector<std::pair<std::string, double>> ParseRewards(const Json& json) {
  std::vector<std::pair<std::string, double>> parts;
  if (json.is_object()) {
    for (const auto& [name, value] : json.items()) {
      if (value.is_number()) parts.emplace_back(name, value.get<double>());
    }
  } else if (json.is_array()) {
    for (const Json& part : json) {
      parts.emplace_back(TextOr(part, "name", "?"), NumberOr(part, "value", 0));
    }
  }
  return parts;
}

// Samples of a group that came out alike.
struct Variant {
  Rollout rollout;  // The first.
  std::vector<int64_t> samples;
};

// Best rewarded first, then by sample.
std::vector<Variant> VariantsOf(std::vector<Rollout> group) {
  std::stable_sort(
      group.begin(), group.end(), [](const Rollout& a, const Rollout& b) {
        return std::tie(b.reward, a.sample) < std::tie(a.reward, b.sample);
      });
  std::vector<Variant> variants;
  for (Rollout& rollout : group) {
    const auto same = std::find_if(
        variants.begin(), variants.end(), [&rollout](const Variant& variant) {
          const Rollout& other = variant.rollout;
          return std::tie(other.completion, other.reward, other.rewards,
                          other.advantage, other.finish_reason) ==
                 std::tie(rollout.completion, rollout.reward, rollout.rewards,
                          rollout.advantage, rollout.finish_reason);
        });
    if (same != variants.end()) {
      same->samples.push_back(rollout.sample);
    } else {
      variants.push_back({rollout, {rollout.sample}});
    }
  }
  return variants;
}

// "sample 3" or "6 samples: 0-4, 9".
std::string SampleText(const std::vector<int64_t>& samples) {
  if (samples.size() == 1) return absl::StrCat("sample ", samples.front());
  std::vector<std::string> ranges;
  for (size_t i = 0; i < samples.size();) {
    size_t end = i + 1;
    while (end < samples.size() && samples[end] == samples[end - 1] + 1) ++end;
    ranges.push_back(end - i == 1
                         ? absl::StrCat(samples[i])
                         : absl::StrCat(samples[i], end - i == 2 ? ", " : "-",
                                        samples[end - 1]));
    i = end;
  }
  return absl::StrCat(samples.size(),
                      " samples: ", absl::StrJoin(ranges, ", "));
}

// A column's lines: what is known about the completion, then its text.
std::vector<std::string> Column(const Variant& variant, int width,
                                const Style& style) {
  const Rollout& rollout = variant.rollout;
  std::string head = absl::StrFormat("reward %.3f", rollout.reward);
  if (rollout.advantage) {
    absl::StrAppendFormat(&head, "   advantage %+.3f", *rollout.advantage);
  }
  std::vector<std::string> parts;
  for (const auto& [name, value] : rollout.rewards) {
    parts.push_back(absl::StrFormat("%s %g", OneLine(name), value));
  }
  if (!parts.empty()) {
    absl::StrAppend(&head, "\n", absl::StrJoin(parts, ", "));
  }
  absl::StrAppend(&head, "\n", rollout.tokens, " tokens, ended by ",
                  OneLine(rollout.finish_reason), "\n",
                  SampleText(variant.samples));
  std::vector<std::string> lines = Wrap(head, width);
  std::string rule;
  for (int i = 0; i < width; ++i) {
    rule += style.glyphs == Glyphs::kUnicode ? "─" : "-";
  }
  lines.push_back(std::move(rule));
  for (std::string& line : Wrap(Printable(rollout.completion), width)) {
    lines.push_back(std::move(line));
  }
  return lines;
}

bool ParseName(absl::string_view name, RolloutRef* ref) {
  if (!absl::ConsumeSuffix(&name, ".jsonl")) return false;
  const size_t at = name.rfind("step-");
  if (at == absl::string_view::npos ||
      !absl::SimpleAtoi(name.substr(at + 5), &ref->step) || ref->step < 0) {
    return false;
  }
  absl::string_view stage = name.substr(0, at);
  absl::ConsumeSuffix(&stage, "-");
  ref->stage = std::string(stage);
  return true;
}

void AddSideBySide(const std::vector<std::vector<std::string>>& columns,
                   int width, std::vector<std::string>* out) {
  size_t height = 0;
  for (const auto& column : columns) height = std::max(height, column.size());
  for (size_t y = 0; y < height; ++y) {
    std::string line;
    for (size_t x = 0; x < columns.size(); ++x) {
      const std::string cell = y < columns[x].size() ? columns[x][y] : "";
      absl::StrAppend(&line, PadRight(cell, width),
                      x + 1 < columns.size() ? std::string(kGap, ' ') : "");
    }
    out->emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
}

}  // namespace

Rollout ParseRollout(const Json& line) {
  Rollout rollout;
  rollout.stage = TextOr(line, "stage", "");
  rollout.step = IntegerOr0(line, "step");
  rollout.slot = IntegerOr0(line, "slot");
  rollout.sample = IntegerOr0(line, "sample");
  rollout.prompt = TextOr(line, "prompt", "");
  rollout.completion = TextOr(line, "completion", "");
  const Json& tokens = MemberOrNull(line, "token_ids");
  rollout.tokens = tokens.is_array() ? tokens.size() : 0;
  rollout.policy_version = IntegerOr0(line, "policy_version");
  rollout.finish_reason = TextOr(line, "finish_reason", "?");
  rollout.reward = NumberOr(line, "reward", 0);
  rollout.rewards = ParseRewards(MemberOrNull(line, "rewards"));
  if (MemberOrNull(line, "advantage").is_number()) {
    rollout.advantage = NumberOr(line, "advantage", 0);
  }
  return rollout;
}

std::vector<RolloutRef> ListRollouts(const std::string& directory) {
  namespace fs = std::filesystem;
  std::vector<RolloutRef> refs;
  std::map<std::string, fs::file_time_type> began;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    RolloutRef ref;
    if (!ParseName(it->path().filename().string(), &ref)) continue;
    ref.path = it->path().string();
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
  file.lines = ParseJsonLines(text, &file.broken);
  for (const Json& line : file.lines) {
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
  std::map<std::pair<std::string, int64_t>, std::set<double>> rewards_of;
  for (const Rollout& rollout : file.rollouts) {
    summary.policy_version = rollout.policy_version;
    summary.reward_mean += rollout.reward / n;
    summary.mean_length += static_cast<double>(rollout.tokens) / n;
    summary.clipped_ratio += rollout.finish_reason == "length" ? 1 / n : 0;
    rewards_of[{rollout.stage, rollout.slot}].insert(rollout.reward);
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

int64_t MostInstructiveSlot(const RolloutFile& file) {
  std::map<int64_t, std::vector<double>> rewards_of;
  for (const Rollout& rollout : file.rollouts) {
    rewards_of[rollout.slot].push_back(rollout.reward);
  }
  int64_t best = rewards_of.empty() ? 0 : rewards_of.begin()->first;
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

std::vector<std::string> RenderGroup(std::vector<Rollout> group,
                                     const Style& style) {
  const size_t completions = group.size();
  const std::vector<Variant> variants = VariantsOf(std::move(group));
  const Rollout& first = variants.front().rollout;
  const std::string head = absl::StrCat(
      first.stage.empty() ? "" : absl::StrCat(OneLine(first.stage), "  "),
      "step ", first.step, "  slot ", first.slot, "  policy version ",
      first.policy_version, "  ", completions,
      completions == 1 ? " completion" : " completions",
      completions == 1 ? ""
                       : absl::StrCat(", ", variants.size(), " different"));
  std::vector<std::string> lines = Wrap(head, style.width);
  lines.emplace_back();
  for (const std::string& line :
       Wrap(Printable(first.prompt), style.width - 2)) {
    lines.push_back(absl::StrCat("> ", line));
  }
  const int fit = std::max(1, (style.width + kGap) / (kNarrowestColumn + kGap));
  const int columns = std::min<int>(fit, static_cast<int>(variants.size()));
  const int width = (style.width - kGap * (columns - 1)) / columns;
  for (size_t begin = 0; begin < variants.size(); begin += columns) {
    const size_t end = std::min(variants.size(), begin + columns);
    std::vector<std::vector<std::string>> row;
    for (size_t i = begin; i < end; ++i) {
      row.push_back(Column(variants[i], width, style));
    }
    lines.emplace_back();
    AddSideBySide(row, width, &lines);
  }
  return lines;
}

}  // namespace aha::cli
