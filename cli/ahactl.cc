// ahactl: the admin command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/version.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/text.h"

namespace {

constexpr char kFooter[] =
    "Start here:\n"
    "  ahactl doctor                          is this machine fit?\n"
    "  ahactl run recipes/quickstart.yaml     train a small model, 5 minutes\n"
    "  ahactl rollout show quickstart         read what it wrote\n"
    "  ahactl job list                        what ran here\n\n"
    "Exit codes: 0 done, 1 error, 2 usage, 3 unchanged, 4 not found, "
    "5 conflict,\n6 denied, 7 unavailable, 8 the job failed, 130 interrupted.";

// What an unknown command is most likely meant to be.
std::string Unknown(const CLI::App& app, int argc, char** argv) {
  const CLI::App* group = &app;
  std::string path = "ahactl";
  for (int i = 1; i < argc && argv[i][0] != '-'; ++i) {
    const CLI::App* next = nullptr;
    std::string nearest;
    size_t distance = 3;  // Farther ones are no misspelling.
    for (const CLI::App* child : group->get_subcommands({})) {
      if (child->get_name() == argv[i]) next = child;
      const size_t d = aha::cli::EditDistance(child->get_name(), argv[i]);
      if (d < distance) {
        distance = d;
        nearest = child->get_name();
      }
    }
    if (next == nullptr) {
      if (group->get_subcommands({}).empty()) return "";
      return "unknown command \"" + std::string(argv[i]) + "\"" +
             (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?") +
             "; see `" + path + " --help`";
    }
    group = next;
    path += std::string(" ") + argv[i];
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Train reasoning models by reinforcement learning", "ahactl");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("ahactl ") + aha::Version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  // Each command that asks a coordinator has --address, and reads AHA_ADDRESS.
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
  aha::cli::AddToolCommands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    if (argc == 1) {
      std::fputs(app.help().c_str(), stderr);
    } else {
      std::string text = Unknown(app, argc, argv);
      if (text.empty()) {
        text = std::string(error.what()) + "; see `ahactl --help`";
      }
      std::fprintf(stderr, "ahactl: %s\n", aha::cli::OneLine(text).c_str());
    }
    return aha::cli::kExitUsage;
  }
  return context.action ? context.action() : aha::cli::kExitUsage;
}
