// ahactl rollout: shows what the policy wrote.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/commands/target.h"
#include "cli/report/group_view.h"
#include "cli/term/exit_code.h"
#include "cli/term/option_checks.h"
#include "cli/term/style.h"
#include "cli/term/table.h"
#include "cli/term/text.h"
#include "run/layout.h"
#include "run/rollouts.h"

namespace aha::cli {
namespace {

struct RolloutFlags {
  Target target;
  std::string stage;
  std::optional<uint64_t> step;
  std::optional<uint64_t> slot;
  std::optional<uint64_t> sample;
};

void WarnBroken(const run::RolloutFile& file) {
  if (file.broken == 0) return;
  std::fprintf(stderr, "ahactl: %s: %d broken line%s left out\n",
               file.path.c_str(), file.broken, file.broken == 1 ? "" : "s");
}

Json ToJson(const run::StepSummary& step) {
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

std::vector<std::string> Cells(const run::RolloutRef& ref,
                               const run::StepSummary& step) {
  return {ref.stage.empty() ? absl::StrCat(ref.step)
                            : absl::StrCat(ref.stage, "/", ref.step),
          absl::StrCat(step.policy_version),
          absl::StrCat(step.groups),
          absl::StrCat(step.trajectories),
          absl::StrFormat("%.3f", step.reward_mean),
          absl::StrFormat("%.3f", step.reward_std),
          absl::StrFormat("%.1f", step.mean_length),
          FormatPercent(step.clipped_ratio),
          FormatPercent(step.degenerate_ratio)};
}

absl::Status NoRollouts(const run::RunReader& run, const RolloutFlags& flags,
                        const std::vector<run::RolloutRef>& refs) {
  if (refs.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no rollouts in ", run.File(run::kRolloutsFolder),
        "/ yet; each step of a stage that trains on groups writes them"));
  }
  if (refs.back().stage.empty() && !flags.stage.empty()) {
    return absl::NotFoundError(
        "this job has one stage with rollouts; leave out --stage");
  }
  std::vector<std::string> stages;
  for (const run::RolloutRef& ref : refs) {
    if (stages.empty() || stages.back() != ref.stage) {
      stages.push_back(ref.stage);
    }
  }
  return absl::NotFoundError(absl::StrCat(
      "no rollouts of ",
      flags.step ? absl::StrCat("step ", *flags.step) : "any step",
      flags.stage.empty() ? "" : absl::StrCat(" of stage ", flags.stage),
      flags.stage.empty()
          ? ""
          : absl::StrCat("; stages: ", absl::StrJoin(stages, ", ")),
      "; the last are of step ", refs.back().step,
      ", `ahactl rollout list` shows all"));
}

int List(const RolloutFlags& flags, Output output) {
  const absl::StatusOr<run::RunReader> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  Json list = Json::array();
  Table table({"STEP", "VERSION", "GROUPS", "COMPLETIONS", "REWARD", "STD",
               "LENGTH", "CUT_OFF", "NO_SIGNAL"});
  const std::vector<run::RolloutRef> refs = run->Rollouts();
  for (const run::RolloutRef& ref : refs) {
    if (!flags.stage.empty() && ref.stage != flags.stage) continue;
    if (const absl::Status got = flags.target.Fetch(ref.path); !got.ok()) {
      return Report(got);
    }
    const absl::StatusOr<run::RolloutFile> file = run::ReadRollouts(ref.path);
    if (!file.ok()) {
      Report(file.status());
      continue;
    }
    WarnBroken(*file);
    run::StepSummary step = run::Summarize(*file);
    step.step = ref.step;
    list.push_back(ToJson(step));
    if (!ref.stage.empty()) list.back()["stage"] = ref.stage;
    table.Row(Cells(ref, step));
  }
  if (list.empty()) return Report(NoRollouts(*run, flags, refs));
  Print(list, ForOutput(table), output);
  return kExitDone;
}

// Reads the last file that the flags select.
absl::StatusOr<run::RolloutFile> ReadStep(const run::RunReader& run,
                                          const RolloutFlags& flags) {
  const std::vector<run::RolloutRef> refs = run.Rollouts();
  for (auto ref = refs.rbegin(); ref != refs.rend(); ++ref) {
    if (flags.step && ref->step != *flags.step) continue;
    if (!flags.stage.empty() && ref->stage != flags.stage) continue;
    AHA_RETURN_IF_ERROR(flags.target.Fetch(ref->path));
    return run::ReadRollouts(ref->path);
  }
  return NoRollouts(run, flags, refs);
}

absl::Status NoGroup(const RolloutFlags& flags, const run::RolloutFile& file,
                     uint64_t slot) {
  uint64_t last = 0;
  for (const run::Rollout& rollout : file.rollouts) {
    last = std::max(last, rollout.slot);
  }
  return absl::NotFoundError(
      absl::StrCat("no trajectory of slot ", slot,
                   flags.sample ? absl::StrCat(", sample ", *flags.sample) : "",
                   " in ", file.path, "; its slots go up to ", last));
}

int Show(const RolloutFlags& flags, Output output) {
  const absl::StatusOr<run::RunReader> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  const absl::StatusOr<run::RolloutFile> file = ReadStep(*run, flags);
  if (!file.ok()) return Report(file.status());
  WarnBroken(*file);
  const uint64_t slot = flags.slot.value_or(run::MostInstructiveSlot(*file));
  std::vector<run::Rollout> group;
  Json raw = Json::array();
  for (const run::Rollout& rollout : file->rollouts) {
    if (rollout.slot != slot) continue;
    if (flags.sample && rollout.sample != *flags.sample) continue;
    group.push_back(rollout);
    raw.push_back(ToJson(rollout));
  }
  if (group.empty()) return Report(NoGroup(flags, *file, slot));
  const std::vector<std::string> lines =
      RenderGroup(std::move(group), TerminalStyle(STDOUT_FILENO));
  Print(raw, absl::StrCat(absl::StrJoin(lines, "\n"), "\n"), output);
  return kExitDone;
}

}  // namespace

void AddRolloutCommands(CLI::App& app, Context& context) {
  CLI::App* rollout =
      app.add_subcommand("rollout", "Read what the policy wrote");
  rollout->footer(
      "Examples:\n"
      "  ahactl rollout list quickstart\n"
      "  ahactl rollout show quickstart --step 0");
  rollout->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* footer,
                       int (*act)(const RolloutFlags&, Output)) {
    const auto flags = std::make_shared<RolloutFlags>();
    CLI::App* command = rollout->add_subcommand(name, help);
    command->footer(footer);
    AddTargetOptions(*command, flags->target, Selects::kNamedJob);
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
    command
        ->add_option("--stage", flags->stage,
                     "Stage, if the job has several of type grpo")
        ->type_name("STAGE");
    return std::make_pair(command, flags);
  };
  add("list", "Show rewards and lengths, one row for each step",
      "CUT_OFF is the share of completions that reached\n"
      "max_completion_length, NO_SIGNAL that of groups whose rewards are all\n"
      "equal, which teach nothing.\n\n"
      "Examples:\n"
      "  ahactl rollout list quickstart\n"
      "  ahactl rollout list quickstart -o json | jq '.[-1].reward'",
      List);
  auto [show, flags] = add(
      "show", "Show a group: prompt, completions side by side, rewards",
      "Equal completions are shown once; the best rewarded comes first.\n\n"
      "Examples:\n"
      "  ahactl rollout show quickstart --step 0    how it answered at first\n"
      "  ahactl rollout show quickstart             and in the end\n"
      "  ahactl rollout show quickstart --step 40 --slot 3 -o json",
      Show);
  const auto number = [](CLI::App* command, const char* name,
                         std::optional<uint64_t>& value, const char* help) {
    command->add_option(name, value, help)
        ->type_name("N")
        ->check(WholeNumber());
  };
  number(show, "--step", flags->step, "Step; the last if left out");
  number(show, "--slot", flags->slot,
         "Position of the group in the step; if left out, the one whose "
         "rewards differ most");
  number(show, "--sample", flags->sample, "Only this completion");
}

}  // namespace aha::cli
