#include "cli/report/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/term/exit_code.h"
#include "cli/term/text.h"

namespace aha::cli {
namespace {

constexpr int kLabel = 14;

std::string Line(absl::string_view label, const std::string& text) {
  return absl::StrCat("  ", PadRight(label, kLabel), text);
}

// The text in its own column, on as many lines as it needs.
void AddWrapped(absl::string_view label, const std::string& text,
                const Style& style, std::vector<std::string>* lines) {
  const int room = std::max(20, style.width - kLabel - 2);
  for (const std::string& line : Wrap(text, room)) {
    lines->push_back(Line(label, line));
    label = "";
  }
}

std::string Change(const std::string& before, const std::string& after,
                   const Style& style) {
  return absl::StrCat(before, style.glyphs == Glyphs::kUnicode ? " → " : " -> ",
                      after);
}

void AddOutcome(const run::Summary& summary, const Style& style,
                std::vector<std::string>* lines) {
  const auto length = [](const run::EvalOutcome& eval) {
    return absl::StrFormat("%.1f tokens", eval.mean_completion_length);
  };
  if (summary.before && summary.after) {
    lines->push_back(Line(
        "pass@1",
        absl::StrCat(Change(FormatPercent(summary.before->pass_at_1),
                            FormatPercent(summary.after->pass_at_1), style),
                     absl::StrFormat("   (%d held-out prompts)",
                                     summary.after->prompts))));
    lines->push_back(
        Line("mean length",
             Change(length(*summary.before), length(*summary.after), style)));
  } else if (summary.after || summary.before) {
    const run::EvalOutcome& eval =
        summary.after ? *summary.after : *summary.before;
    lines->push_back(
        Line("pass@1", absl::StrCat(FormatPercent(eval.pass_at_1),
                                    absl::StrFormat("   (%d held-out prompts)",
                                                    eval.prompts))));
    lines->push_back(Line("mean length", length(eval)));
  }
}

// How the rewards of the training changed.  A job without evaluations before
// and after says it in no other way.
void AddRewards(const ReportInput& input, const Style& style,
                std::vector<std::string>* lines) {
  const size_t steps = input.rewards.size();
  if (steps == 0) return;
  if (!(input.summary.before && input.summary.after)) {
    const size_t some = std::clamp<size_t>(steps / 2, 1, 8);
    const auto mean = [&](auto begin) {
      return std::accumulate(begin, begin + static_cast<ptrdiff_t>(some), 0.0) /
             static_cast<double>(some);
    };
    std::string text = Change(
        absl::StrFormat("%.3f", mean(input.rewards.begin())),
        absl::StrFormat(
            "%.3f", mean(input.rewards.end() - static_cast<ptrdiff_t>(some))),
        style);
    absl::StrAppendFormat(&text,
                          "   (mean of the first and the last %d of %d "
                          "steps)",
                          some, steps);
    AddWrapped("reward", text, style, lines);
  }
  if (input.steps_without_signal == 0) return;
  if (input.steps_without_signal < steps) {
    AddWrapped("no signal",
               absl::StrCat("in ", input.steps_without_signal, " of ", steps,
                            " steps all rewards of each group were equal"),
               style, lines);
    return;
  }
  AddWrapped("NO SIGNAL",
             "in no step did the rewards of a group differ, so nothing was "
             "learned: the prompts are all too hard or all too easy, or the "
             "reward does not fit them; `ahactl rollout show` tells which",
             style, lines);
}

void AddFigures(const ReportInput& input, const Style& style,
                std::vector<std::string>* lines) {
  const run::Summary& summary = input.summary;
  std::vector<std::string> speed;
  if (summary.rollout_tokens_per_second > 0) {
    speed.push_back(absl::StrCat(
        "sampled ",
        FormatCount(static_cast<uint64_t>(summary.rollout_tokens_per_second)),
        " tokens/s"));
  }
  if (summary.train_tokens_per_second > 0) {
    speed.push_back(absl::StrCat(
        "trained ",
        FormatCount(static_cast<uint64_t>(summary.train_tokens_per_second)),
        " tokens/s"));
  }
  if (summary.peak_rss_bytes > 0) {
    speed.push_back(
        absl::StrCat("peak memory ", FormatBytes(summary.peak_rss_bytes)));
  }
  if (!speed.empty()) {
    AddWrapped("speed", absl::StrJoin(speed, ", "), style, lines);
  }
  if (summary.tokens_compared > 0) {
    AddWrapped("exact",
               absl::StrCat(FormatCount(summary.tokens_compared),
                            " log-probabilities compared, actor against "
                            "learner: ",
                            FormatCount(summary.tokens_differing), " differ"),
               style, lines);
  }
  if (input.restarts > 0) {
    lines->push_back(Line(
        "restarts", absl::StrCat(input.restarts,
                                 " (events.jsonl; the result is the same)")));
  }
  if (input.shows_checksum && !summary.checksum.empty()) {
    lines->push_back(Line("checksum", summary.checksum));
  }
}

void AddNext(const ReportInput& input, const Style& style,
             std::vector<std::string>* lines) {
  const std::string dir = ShellQuote(input.run_dir);
  lines->emplace_back();
  lines->emplace_back("look at next");
  // Command and what it shows, in two columns.
  std::vector<std::pair<std::string, std::string>> commands;
  const auto show = [&](uint64_t step, const char* what) {
    commands.emplace_back(
        absl::StrCat("ahactl rollout show --dir ", dir,
                     input.rollout_stage.empty()
                         ? ""
                         : " --stage " + ShellQuote(input.rollout_stage),
                     " --step ", step),
        what);
  };
  if (input.last_rollout_step.has_value()) {
    show(0, "how it answered at first");
    if (*input.last_rollout_step > 0) {
      show(*input.last_rollout_step, "and in the end");
    }
    commands.emplace_back("ahactl rollout list --dir " + dir,
                          "reward and length, step by step");
  }
  commands.emplace_back("ahactl job describe --dir " + dir,
                        "stages, checkpoints, events");
  size_t column = 0;
  for (const auto& [command, what] : commands) {
    column = std::max(column, command.size());
  }
  for (const auto& [command, what] : commands) {
    const std::string line =
        absl::StrCat("  ", command, std::string(column - command.size(), ' '),
                     "   # ", what);
    // In a narrow window, the command has all the room.
    lines->push_back(
        DisplayWidth(line) <= style.width ? line : absl::StrCat("  ", command));
  }
  if (!input.last_checkpoint.empty()) {
    const std::string prompt =
        input.example_prompt.empty() ? "..." : input.example_prompt;
    lines->push_back(absl::StrCat("  aha-model generate ",
                                  ShellQuote(input.last_checkpoint + "/model"),
                                  " --prompt ", ShellQuote(prompt)));
  }
}

// A prompt of the step as the policy saw it, for the example command; "" if it
// is too long.
std::string ExamplePrompt(const std::string& path) {
  const absl::StatusOr<run::RolloutFile> file = run::ReadRollouts(path);
  if (!file.ok() || file->rollouts.empty()) return "";
  const run::Rollout& first = file->rollouts.front();
  const std::string& prompt =
      first.rendered_prompt.empty() ? first.prompt : first.rendered_prompt;
  return prompt.size() <= 400 ? prompt : "";
}

}  // namespace

std::vector<std::string> RenderReport(const ReportInput& input,
                                      const Style& style) {
  const run::Summary& summary = input.summary;
  std::vector<std::string> lines = {
      absl::StrCat("job ", OneLine(summary.job), " ", StateName(summary.state),
                   " in ", FormatSeconds(summary.seconds))};
  if (!summary.problem.empty()) {
    lines.push_back(Line("problem", OneLine(summary.problem)));
  }
  if (!summary.not_reproducible.empty()) {
    lines.push_back(
        Line("reproducible",
             absl::StrCat("no: ", OneLine(summary.not_reproducible))));
  }
  lines.emplace_back();
  AddOutcome(summary, style, &lines);
  AddRewards(input, style, &lines);
  std::vector<std::string> stages;
  for (const run::SummaryStage& stage : summary.stages) {
    stages.push_back(
        absl::StrCat(OneLine(stage.name), " ", FormatSeconds(stage.seconds)));
  }
  if (!stages.empty()) {
    AddWrapped("stages", absl::StrJoin(stages, ", "), style, &lines);
  }
  AddFigures(input, style, &lines);
  AddNext(input, style, &lines);
  return lines;
}

void PrintReport(run::JobFeed& feed, const PrintReportOptions& options) {
  std::optional<run::Summary> end = feed.End();
  if (!end.has_value()) {
    Report(absl::NotFoundError(
        absl::StrCat("no summary.json in ", options.run_dir,
                     " can be read, so there is nothing to report")));
    return;
  }
  if (options.output != Output::kTable) {
    Print(ToJson(*end), "", options.output);
    return;
  }
  ReportInput input;
  input.summary = *std::move(end);
  input.run_dir = options.run_dir;
  input.restarts = options.restarts;
  const std::vector<std::string> checkpoints = feed.Checkpoints();
  if (!checkpoints.empty()) {
    input.last_checkpoint =
        absl::StrCat(options.run_dir, "/", checkpoints.back());
  }
  const std::vector<run::RolloutRef> rollouts = feed.Rollouts();
  if (!rollouts.empty()) {
    input.rollout_stage = rollouts.back().stage;
    input.last_rollout_step = rollouts.back().step;
    input.example_prompt = ExamplePrompt(rollouts.back().path);
  }
  for (const run::StepMetrics& step : feed.Metrics()) {
    const auto reward = step.values.find("reward");
    if (reward == step.values.end()) continue;
    input.rewards.push_back(reward->second);
    const auto degenerate = step.values.find("frac_reward_zero_std");
    input.steps_without_signal +=
        degenerate != step.values.end() && degenerate->second >= 1;
  }
  // Scripts look for the line that follows the report then.
  const bool for_scripts = ::isatty(STDOUT_FILENO) != 1 || options.quiet;
  input.shows_checksum = !for_scripts;
  if (!options.quiet) {
    std::printf("\n");
    for (const std::string& line :
         RenderReport(input, TerminalStyle(STDOUT_FILENO))) {
      std::printf("%s\n", line.c_str());
    }
  }
  if (for_scripts) {
    std::printf("checksum %s\n", input.summary.checksum.c_str());
  }
  std::fflush(stdout);
}

}  // namespace aha::cli
