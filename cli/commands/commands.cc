#include "cli/commands/commands.h"

#include <CLI/CLI.hpp>

namespace aha::cli {
namespace {

Completes CompletesOf(const std::string& type_name) {
  if (type_name == "JOB") return Completes::kJob;
  if (type_name == "DIR") return Completes::kDirectory;
  if (type_name == "FILE") return Completes::kFile;
  return Completes::kNothing;
}

OptionNode Describe(const CLI::Option& option) {
  OptionNode node;
  for (const std::string& name : option.get_lnames()) {
    node.names.push_back("--" + name);
  }
  for (const std::string& name : option.get_snames()) {
    node.names.push_back("-" + name);
  }
  node.help = option.get_description();
  node.takes_value = option.get_expected_max() > 0;
  node.value = CompletesOf(option.get_type_name());
  if (option.get_single_name() == "output") {
    node.value = Completes::kWords;
    node.words = {"table", "json", "yaml"};
  }
  return node;
}

}  // namespace

CommandNode DescribeCommands(const CLI::App& app) {
  CommandNode node;
  node.name = app.get_name();
  node.help = app.get_description().substr(0, app.get_description().find('\n'));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      node.argument = CompletesOf(option->get_type_name());
      if (option->get_type_name() == "SHELL") {
        node.argument = Completes::kWords;
        node.words = {"bash", "zsh", "fish"};
      }
    } else {
      node.options.push_back(Describe(*option));
    }
  }
  for (const CLI::App* child : app.get_subcommands({})) {
    node.commands.push_back(DescribeCommands(*child));
  }
  return node;
}

}  // namespace aha::cli
