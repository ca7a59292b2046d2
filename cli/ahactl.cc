// ahactl: the admin command line.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
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
    "Every command has --help with examples (`ahactl help run` shows the\n"
    "same), and -o table|json|yaml.\n"
    "Exit codes: 0 done, 1 error, 2 usage, 3 unchanged, 4 not found, "
    "5 conflict,\n6 denied, 7 unavailable, 8 the job failed, 130 interrupted.";

// The command that the words of a command line name.
struct Named {
  const CLI::App* command = nullptr;
  std::string path = "ahactl";  // What the user types: "ahactl job list".
  std::string unknown;  // The first word that is not one of its commands.
};

Named Resolve(const CLI::App& app, const std::vector<std::string>& words) {
  Named named;
  named.command = &app;
  for (const std::string& word : words) {
    if (absl::StartsWith(word, "-")) break;
    const CLI::App* next = nullptr;
    for (const CLI::App* child : named.command->get_subcommands({})) {
      if (child->get_name() == word) next = child;
    }
    if (next == nullptr) {
      if (!named.command->get_subcommands({}).empty()) named.unknown = word;
      break;
    }
    named.command = next;
    absl::StrAppend(&named.path, " ", word);
  }
  return named;
}

// Explains in one line what is wrong with the command line.
std::string Explain(const CLI::App& app, const CLI::ParseError& error,
                    const std::vector<std::string>& words) {
  const Named named = Resolve(app, words);
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

// "help job list" asks for what "job list --help" shows, and "-o json job list"
// for what "job list -o json" does: words before a command belong to it.
std::vector<std::string> Rearranged(int argc, char** argv) {
  if (argc == 0) return {};
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
    return words;
  }
  std::vector<std::string> format;
  while (!words.empty() &&
         (words.front() == "-o" || words.front() == "--output" ||
          absl::StartsWith(words.front(), "--output="))) {
    const size_t count = std::min<size_t>(
        words.size(), absl::StrContains(words.front(), "=") ? 1 : 2);
    const auto end = words.begin() + static_cast<ptrdiff_t>(count);
    format.assign(words.begin(), end);
    words.erase(words.begin(), end);
  }
  words.insert(words.end(), format.begin(), format.end());
  return words;
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
  const std::vector<std::string> words = Rearranged(argc, argv);
  try {
    // CLI11 takes them from last to first.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    // --help and --version, unless they stand behind an unknown command.
    if (error.get_exit_code() == 0 && Resolve(app, words).unknown.empty()) {
      return app.exit(error);
    }
    if (argc == 1) {
      std::fputs(app.help().c_str(), stderr);
    } else {
      std::fprintf(stderr, "ahactl: %s\n",
                   aha::cli::OneLine(Explain(app, error, words)).c_str());
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
