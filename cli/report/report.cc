#include "cli/report/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

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

void AddOutcome(const RunSummary& summary, const Style& style,
                std::vector<std::string>* lines) {
  const auto length = [](const EvalResult& eval) {
    return absl::StrFormat("%.1f tokens", eval.mean_completion_length);
  };
  if (summary.before && summary.after) {
    lines->push_back(Line(
        "pass@1",
        absl::StrCat(Change(FormatPercent(summary.before->pass_at_1),
                            FormatPercent(summary.after->pass_at_1), style),
                     absl::StrFormat("   (%.0f held-out prompts)",
                                     summary.after->prompts))));
    lines->push_back(
        Line("mean length",
             Change(length(*summary.before), length(*summary.after), style)));
  } else if (summary.after || summary.before) {
    const EvalResult& eval = summary.after ? *summary.after : *summary.before;
    lines->push_back(Line(
        "pass@1", absl::StrCat(FormatPercent(eval.pass_at_1),
                               absl::StrFormat("   (%.0f held-out prompts)",
                                               eval.prompts))));
    lines->push_back(Line("mean length", length(eval)));
  }
}

void AddFigures(const ReportInput& input, const Style& style,
                std::vector<std::string>* lines) {
  const RunSummary& summary = input.summary;
  std::vector<std::string> speed;
  if (summary.job.rollout_tokens_per_second > 0) {
    speed.push_back(absl::StrCat("sampled ",
                                 FormatCount(static_cast<uint64_t>(
                                     summary.job.rollout_tokens_per_second)),
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
  if (summary.job.tokens_compared > 0) {
    AddWrapped(
        "exact",
        absl::StrCat(FormatCount(summary.job.tokens_compared),
                     " log-probabilities compared, actor against "
                     "learner: ",
                     FormatCount(summary.job.tokens_differing), " differ"),
        style, lines);
  }
  if (input.restarts > 0) {
    lines->push_back(Line(
        "restarts", absl::StrCat(input.restarts,
                                 " (events.jsonl; the result is the same)")));
  }
  if (!summary.job.checksum.empty()) {
    lines->push_back(Line("checksum", summary.job.checksum));
  }
}

void AddNext(const ReportInput& input, const Style& style,
             std::vector<std::string>* lines) {
  const std::string dir = ShellQuote(input.run_dir);
  lines->emplace_back();
  lines->emplace_back("look at next");
  // Command and what it shows, in two columns.
  std::vector<std::pair<std::string, std::string>> commands;
  const auto show = [&](int64_t step, const char* what) {
    commands.emplace_back(
        absl::StrCat("ahactl rollout show --dir ", dir,
                     input.rollout_stage.empty()
                         ? ""
                         : " --stage " + ShellQuote(input.rollout_stage),
                     " --step ", step),
        what);
  };
  if (input.last_rollout_step >= 0) show(0, "how it answered at first");
  if (input.last_rollout_step > 0) {
    show(input.last_rollout_step, "and in the end");
  }
  if (input.last_rollout_step >= 0) {
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
    // Of a narrow window, the command has all the room.
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

}  // namespace

std::string ShellQuote(absl::string_view word) {
  const bool safe =
      !word.empty() &&
      word.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
          "UVWXYZ0123456789_-./:=,+@%") == absl::string_view::npos;
  if (safe) return std::string(word);
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  std::string quoted = plain ? "'" : "$'";
  for (char c : word) {
    if (plain) {
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    } else if (c == '\'' || c == '\\') {
      quoted += std::string("\\") + c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::vector<std::string> RenderReport(const ReportInput& input,
                                      const Style& style) {
  const RunSummary& summary = input.summary;
  std::vector<std::string> lines = {absl::StrCat(
      "job ", OneLine(summary.job.name), " ", StateName(summary.job.state),
      " in ", FormatSeconds(summary.job.seconds))};
  if (!summary.job.problem.empty()) {
    lines.push_back(Line("problem", OneLine(summary.job.problem)));
  }
  lines.emplace_back();
  AddOutcome(summary, style, &lines);
  std::vector<std::string> stages;
  for (const StageView& stage : summary.job.stages) {
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

std::vector<std::string> RenderFailure(const ClusterFailure& failure,
                                       const std::string& resume_command) {
  std::vector<std::string> lines = {
      absl::StrCat(failure.process, ": ", failure.how,
                   failure.reason.empty() ? "" : "; ", failure.reason)};
  for (const std::string& line : failure.log_tail) {
    lines.push_back(absl::StrCat("  | ", OneLine(line)));
  }
  if (!failure.log_path.empty()) {
    lines.push_back(absl::StrCat("  log: ", failure.log_path));
  }
  if (!resume_command.empty()) {
    lines.push_back(absl::StrCat("  go on with: ", resume_command));
  }
  return lines;
}

}  // namespace aha::cli
