// ahactl config: checks and explains job files before they run.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/term/exit_code.h"
#include "job/file/explain.h"
#include "job/file/job.h"
#include "job/inputs.h"

namespace aha::cli {
namespace {

struct ConfigFlags {
  std::string file;
  std::vector<std::string> set;
  std::string key;
  bool skip_files = false;
};

int Validate(const ConfigFlags& flags, Output output) {
  const absl::StatusOr<v1::Job> job = LoadJob(flags.file, flags.set);
  if (!job.ok()) {
    Report(job.status());
    return kExitUsage;  // Also for a wrong path, as `ahactl run` has it.
  }
  if (!flags.skip_files) {
    std::vector<std::string> notes;
    if (const absl::Status inputs = CheckInputs(*job, &notes); !inputs.ok()) {
      return Report(inputs);
    }
    PrintNotes(notes);
  }
  if (output == Output::kJson) {
    std::printf("%s\n", JobToJson(*job).c_str());
  } else if (output == Output::kYaml) {
    std::fputs(JobToYaml(*job).c_str(), stdout);
  } else {
    std::printf(
        "%s is valid: job %s, %d stage%s%s; -o yaml shows every default\n",
        flags.file.c_str(), job->name().c_str(), job->stages_size(),
        job->stages_size() == 1 ? "" : "s",
        flags.skip_files ? " (the files that it names were not looked at)"
                         : "");
  }
  return kExitDone;
}

Json ToJson(const std::vector<KeyInfo>& keys) {
  Json list = Json::array();
  for (const KeyInfo& key : keys) {
    list.push_back({{"key", key.path},
                    {"type", key.type},
                    {"required", key.required},
                    {"default", key.default_value},
                    {"range", key.range},
                    {"unit", key.unit},
                    {"help", key.help},
                    {"also", key.also},
                    {"presets", key.presets}});
  }
  return list;
}

int ExplainKey(const ConfigFlags& flags, Output output) {
  const absl::StatusOr<std::vector<KeyInfo>> keys = ExplainKeys(flags.key);
  if (!keys.ok()) return Report(keys.status());
  const absl::StatusOr<std::string> text = Explain(flags.key);
  if (!text.ok()) return Report(text.status());
  Print(ToJson(*keys), *text, output);
  return kExitDone;
}

int PrintReference(const ConfigFlags&, Output output) {
  const absl::StatusOr<std::vector<KeyInfo>> keys = ExplainKeys("");
  if (!keys.ok()) return Report(keys.status());
  Print(ToJson(*keys), JobFileReference(), output);
  return kExitDone;
}

}  // namespace

void AddConfigCommands(CLI::App& app, Context& context) {
  CLI::App* config =
      app.add_subcommand("config", "Check and understand job files");
  config->footer(
      "Examples:\n"
      "  ahactl config validate recipes/quickstart.yaml --set seed=7\n"
      "  ahactl config explain stages.grpo");
  config->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, const char* footer,
                       int (*act)(const ConfigFlags&, Output)) {
    const auto flags = std::make_shared<ConfigFlags>();
    CLI::App* command = config->add_subcommand(name, help);
    command->footer(footer);
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
    return std::make_pair(command, flags);
  };
  auto [validate, checked] = add(
      "validate", "Check a job file; exit 2 if it is invalid",
      "It checks what `ahactl run` checks before it starts a process: the job\n"
      "file, and the model, prompt and document files that it names.\n\n"
      "Examples:\n"
      "  ahactl config validate recipes/quickstart.yaml --set seed=7\n"
      "  ahactl config validate recipes/tiny.yaml -o yaml   all defaults\n"
      "  ahactl config validate recipes/smollm2-arithmetic.yaml --skip-files",
      Validate);
  validate->add_option("FILE", checked->file, "Job file (YAML)")
      ->type_name("FILE")
      ->required();
  AddSetOption(*validate, checked->set);
  validate->add_flag("--skip-files", checked->skip_files,
                     "Do not look at the files that the job names, because "
                     "they are on another machine");
  auto [explain, explained] =
      add("explain", "Explain a key: its meaning, default and limits",
          "Examples:\n"
          "  ahactl config explain stages.grpo\n"
          "  ahactl config explain num_generations -o json",
          ExplainKey);
  explain
      ->add_option("KEY", explained->key,
                   "A key or a part of it; everything if left out")
      ->type_name("KEY");
  add("reference", "Print docs/job-file.md, which is made from the schema",
      "Examples:\n"
      "  ahactl config reference > job-file.md",
      PrintReference);
}

}  // namespace aha::cli
