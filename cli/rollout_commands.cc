// ahactl rollout: what the policy wrote.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/rollouts.h"
#include "cli/screen.h"
#include "cli/table.h"

namespace aha::cli {
namespace {

struct RolloutFlags {
  Target target;
  std::string stage;
  std::optional<int64_t> step;
  int64_t slot = 0;
  std::optional<int64_t> sample;
};

void WarnBroken(const RolloutFile& file) {
  if (file.broken == 0) return;
  std::fprintf(stderr, "ahactl: %s: %d broken line%s left out\n",
               file.path.c_str(), file.broken, file.broken == 1 ? "" : "s");
}

Json ToJson(const StepSummary& step) {
  return {{"step", step.step},
          {"policy_version", step.policy_version},
          {"groups", step.groups},
          {"trajectories", step.trajectories},
          {"reward", step.reward_mean},
          {"reward_std", step.reward_std},
          {"completions/mean_length", step.mean_length},
          {"completions/clipped_ratio", step.clipped_ratio},
          {"frac_reward_zero_std", step.degenerate_ratio}};
}

int List(const RolloutFlags& flags, Output output) {
  const absl::StatusOr<RunDirectory> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  Json list = Json::array();
  Table table({"STEP", "VERSION", "GROUPS", "COMPLETIONS", "REWARD", "STD",
               "LENGTH", "CUT_OFF", "NO_SIGNAL"});
  for (const RolloutRef& ref : ListRollouts(run->File("rollouts"))) {
    if (!flags.stage.empty() && ref.stage != flags.stage) continue;
    if (const absl::Status got = flags.target.Fetch(ref.path); !got.ok()) {
      return Report(got);
    }
    const absl::StatusOr<RolloutFile> file = ReadRollouts(ref.path);
    if (!file.ok()) {
      Report(file.status());
      continue;
    }
    WarnBroken(*file);
    StepSummary step = Summarize(*file);
    step.step = ref.step;
    list.push_back(ToJson(step));
    if (!ref.stage.empty()) list.back()["stage"] = ref.stage;
    table.Row({ref.stage.empty() ? absl::StrCat(ref.step)
                                 : absl::StrCat(ref.stage, "/", ref.step),
               absl::StrCat(step.policy_version), absl::StrCat(step.groups),
               absl::StrCat(step.trajectories),
               absl::StrFormat("%.3f", step.reward_mean),
               absl::StrFormat("%.3f", step.reward_std),
               absl::StrFormat("%.1f", step.mean_length),
               FormatPercent(step.clipped_ratio),
               FormatPercent(step.degenerate_ratio)});
  }
  if (output == Output::kTable) {
    std::fputs(table.Text().c_str(), stdout);
  } else {
    PrintJson(list, output);
  }
  return kExitDone;
}

// The last file that fits the flags.
absl::StatusOr<RolloutFile> ReadStep(const RunDirectory& run,
                                     const RolloutFlags& flags) {
  const std::vector<RolloutRef> refs = ListRollouts(run.File("rollouts"));
  if (refs.empty()) {
    return absl::NotFoundError(
        absl::StrCat("no rollouts in ", run.File("rollouts/")));
  }
  for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
    if (flags.step && ref->step != *flags.step) continue;
    if (!flags.stage.empty() && ref->stage != flags.stage) continue;
    AHA_RETURN_IF_ERROR(flags.target.Fetch(ref->path));
    return ReadRollouts(ref->path);
  }
  return absl::NotFoundError(absl::StrCat(
      "no rollouts of ",
      flags.step ? absl::StrCat("step ", *flags.step) : "any step",
      flags.stage.empty() ? "" : absl::StrCat(" of stage ", flags.stage),
      "; the last are of step ", refs.back().step,
      ", `ahactl rollout list` shows all"));
}

int Show(const RolloutFlags& flags, Output output) {
  const absl::StatusOr<RunDirectory> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  const absl::StatusOr<RolloutFile> file = ReadStep(*run, flags);
  if (!file.ok()) return Report(file.status());
  WarnBroken(*file);
  std::vector<Rollout> group;
  Json raw = Json::array();
  int64_t last_slot = -1;
  for (size_t i = 0; i < file->rollouts.size(); ++i) {
    const Rollout& rollout = file->rollouts[i];
    last_slot = std::max(last_slot, rollout.slot);
    if (rollout.slot != flags.slot) continue;
    if (flags.sample && rollout.sample != *flags.sample) continue;
    group.push_back(rollout);
    raw.push_back(file->lines[i]);
  }
  if (group.empty()) {
    return Report(absl::NotFoundError(absl::StrCat(
        "no trajectory of slot ", flags.slot,
        flags.sample ? absl::StrCat(", sample ", *flags.sample) : "", " in ",
        file->path, "; its slots go up to ", last_slot)));
  }
  if (output != Output::kTable) {
    PrintJson(raw, output);
    return kExitDone;
  }
  std::stable_sort(
      group.begin(), group.end(),
      [](const Rollout& a, const Rollout& b) { return a.sample < b.sample; });
  for (const std::string& line :
       RenderGroup(group, TerminalStyle(STDOUT_FILENO))) {
    std::printf("%s\n", line.c_str());
  }
  return kExitDone;
}

}  // namespace

void AddRolloutCommands(CLI::App& app, Context& context) {
  CLI::App* rollout =
      app.add_subcommand("rollout", "Read what the policy wrote");
  rollout->footer(
      "Examples:\n"
      "  ahactl rollout list quickstart\n"
      "  ahactl rollout show quickstart --step 40 --slot 3\n"
      "  ahactl rollout show --dir runs/seed7 -o json");
  rollout->require_subcommand(1);
  const auto add = [&](const char* name, const char* help,
                       int (*act)(const RolloutFlags&, Output)) {
    const auto flags = std::make_shared<RolloutFlags>();
    CLI::App* command = rollout->add_subcommand(name, help);
    AddTargetOptions(*command, flags->target, NameArgument::kJob);
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
    command->add_option("--stage", flags->stage,
                        "Stage, if the job has several of type grpo");
    return std::make_pair(command, flags);
  };
  add("list", "A row a step: rewards, lengths", List);
  auto [show, flags] =
      add("show", "A group: prompt, completions side by side, rewards", Show);
  show->add_option("--step", flags->step, "Step; the last if left out");
  show->add_option("--slot", flags->slot, "Position of the group in the step")
      ->capture_default_str();
  show->add_option("--sample", flags->sample, "Only this completion");
}

}  // namespace aha::cli
