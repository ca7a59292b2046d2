// ahactl: the admin command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/standard_streams.h"
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/term/exit_code.h"
#include "cli/term/explain.h"
#include "cli/term/text.h"

namespace {

using aha::cli::ExplainParseError;
using aha::cli::Nearest;

constexpr char kFooter[] =
    "Start here:\n"
    "  ahactl doctor                          check this machine\n"
    "  ahactl run recipes/quickstart.yaml     train a small model, 5 minutes\n"
    "  ahactl rollout show quickstart         read what the model wrote\n"
    "  ahactl job list                        list what ran here\n\n"
    "Every command has --help with examples, and -o table|json|yaml.\n"
    "Exit codes: 0 done, 1 error, 2 usage, 3 unchanged, 4 not found, "
    "5 conflict,\n6 denied, 7 unavailable, 8 the job failed, 130 interrupted.";

// The command that the words of a command line name.
struct Named {
  const CLI::App* command = nullptr;
  std::string path = "ahactl";  // What the user types: "ahactl job list".
  std::string unknown;  // The first word that is not one of its commands.
};

Named Resolve(const CLI::App& app, int argc, char** argv) {
  Named named;
  named.command = &app;
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const CLI::App* next = nullptr;
    for (const CLI::App* child : named.command->get_subcommands({})) {
      if (child->get_name() == argv[i]) next = child;
    }
    if (next == nullptr) {
      if (!named.command->get_subcommands({}).empty()) named.unknown = argv[i];
      break;
    }
    named.command = next;
    absl::StrAppend(&named.path, " ", argv[i]);
  }
  return named;
}

// Explains in one line what is wrong with the command line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error, int argc,
                    char** argv) {
  const Named named = Resolve(app, argc, argv);
  std::string text;
  if (named.unknown.empty()) {
    text = ExplainParseError(app, *named.command, error);
  } else {
    std::vector<std::string> names;
    for (const CLI::App* child : named.command->get_subcommands({})) {
      names.push_back(child->get_name());
    }
    text = absl::StrCat("unknown command \"", named.unknown, "\"",
                        Nearest(named.unknown, names));
  }
  return absl::StrCat(text, "; see `", named.path, " --help`");
}

int Run(int argc, char** argv) {
  CLI::App app("Train reasoning models by reinforcement learning", "ahactl");
  app.set_version_flag("--version", std::string("ahactl ") + aha::Version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  // Each command that asks a coordinator has an --address of its own, which
  // reads AHA_ADDRESS.
  app.add_option_function<std::string>(
         "--address",
         [](const std::string& address) {
           setenv("AHA_ADDRESS", address.c_str(), /*overwrite=*/1);
         },
         "Coordinator to ask, host:port; also AHA_ADDRESS")
      ->type_name("HOST:PORT")
      ->trigger_on_parse();
  aha::cli::Context context;
  aha::cli::AddRunCommand(app, context);
  aha::cli::AddSubmitCommand(app, context);
  aha::cli::AddJobCommands(app, context);
  aha::cli::AddRolloutCommands(app, context);
  aha::cli::AddActorCommands(app, context);
  aha::cli::AddConfigCommands(app, context);
  aha::cli::AddDataCommands(app, context);
  aha::cli::AddRewardCommands(app, context);
  aha::cli::AddToolCommands(app, context);
  // Set last, since subcommands inherit a footer that is there before them.
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    if (argc == 1) {
      std::fputs(app.help().c_str(), stderr);
    } else {
      std::fprintf(stderr, "ahactl: %s\n",
                   aha::cli::OneLine(Explain(app, error, argc, argv)).c_str());
    }
    return aha::cli::kExitUsage;
  }
  return context.action ? context.action() : aha::cli::kExitUsage;
}

}  // namespace

// CLI11 throws while flags are declared only if a declaration is wrong.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  return aha::cli::WriteOut("ahactl", Run(argc, argv));
}
