// ahactl config: job files before they run.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "job/explain.h"
#include "job/job.h"

namespace aha::cli {
namespace {

struct ConfigFlags {
  std::string file;
  std::vector<std::string> set;
  std::string key;
};

int Validate(const ConfigFlags& flags, Output output) {
  const absl::StatusOr<v1::Job> job = LoadJob(flags.file, flags.set);
  if (!job.ok()) {
    Report(job.status());
    return absl::IsNotFound(job.status()) ? kExitNotFound : kExitUsage;
  }
  if (output == Output::kJson) {
    std::printf("%s\n", JobToJson(*job).c_str());
  } else if (output == Output::kYaml) {
    std::fputs(JobToYaml(*job).c_str(), stdout);
  } else {
    std::printf(
        "%s is valid: job %s, %d stage%s; -o yaml shows every default\n",
        flags.file.c_str(), job->name().c_str(), job->stages_size(),
        job->stages_size() == 1 ? "" : "s");
  }
  return kExitDone;
}

int ExplainKey(const ConfigFlags& flags, Output output) {
  if (output == Output::kTable) {
    const absl::StatusOr<std::string> text = Explain(flags.key);
    if (!text.ok()) return Report(text.status());
    std::fputs(text->c_str(), stdout);
    return kExitDone;
  }
  const absl::StatusOr<std::vector<KeyInfo>> keys = ExplainKeys(flags.key);
  if (!keys.ok()) return Report(keys.status());
  Json list = Json::array();
  for (const KeyInfo& key : *keys) {
    list.push_back({{"key", key.path},
                    {"type", key.type},
                    {"required", key.required},
                    {"default", key.default_value},
                    {"range", key.range},
                    {"unit", key.unit},
                    {"help", key.help},
                    {"also", key.also}});
  }
  PrintJson(list, output);
  return kExitDone;
}

}  // namespace

void AddConfigCommands(CLI::App& app, Context& context) {
  CLI::App* config =
      app.add_subcommand("config", "Check and understand job files");
  config->footer(
      "Examples:\n"
      "  ahactl config validate recipes/quickstart.yaml --set seed=7\n"
      "  ahactl config validate recipes/tiny.yaml -o yaml   all defaults\n"
      "  ahactl config explain stages.grpo\n"
      "  ahactl config explain num_generations");
  config->require_subcommand(1);
  const auto flags = std::make_shared<ConfigFlags>();
  CLI::App* validate = config->add_subcommand(
      "validate", "Check a job file; exit 2 if it is bad");
  validate->add_option("FILE", flags->file, "Job file (YAML)")
      ->type_name("FILE")
      ->required();
  validate->add_option("--set", flags->set, "Override a key first")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  AddOutputOption(*validate, context);
  validate->callback([flags, &context] {
    context.action = [flags, &context] {
      return Validate(*flags, context.Format());
    };
  });
  CLI::App* explain = config->add_subcommand(
      "explain", "What a key means, its default and its limits");
  explain->add_option("KEY", flags->key,
                      "A key or a part of it; everything if left out");
  AddOutputOption(*explain, context);
  explain->callback([flags, &context] {
    context.action = [flags, &context] {
      return ExplainKey(*flags, context.Format());
    };
  });
  CLI::App* reference =
      config->add_subcommand("reference", "docs/job-file.md, from the schema");
  reference->callback([&context] {
    context.action = [] {
      std::fputs(JobFileReference().c_str(), stdout);
      return kExitDone;
    };
  });
}

}  // namespace aha::cli
