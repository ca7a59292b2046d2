// ahactl: the admin command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/version.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace {

constexpr char kHelp[] =
    "Train reasoning models by reinforcement learning.\n\n"
    "Start here:\n"
    "  ahactl doctor                          is this machine fit?\n"
    "  ahactl run recipes/quickstart.yaml     train a small model, 5 minutes\n"
    "  ahactl rollout show quickstart         read what it wrote\n"
    "  ahactl job list                        what ran here\n\n"
    "Exit codes: 0 done, 1 error, 2 usage, 3 unchanged, 4 not found, "
    "5 conflict,\n6 denied, 7 unavailable, 8 the job failed, 130 interrupted.";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kHelp, "ahactl");
  app.set_version_flag("--version", std::string("ahactl ") + aha::Version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  aha::cli::Context context;
  aha::cli::AddRunCommand(app, context);
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
      std::fprintf(stderr, "ahactl: %s; see `ahactl --help`\n", error.what());
    }
    return aha::cli::kExitUsage;
  }
  return context.action ? context.action() : aha::cli::kExitUsage;
}
