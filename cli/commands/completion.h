// Generates shell completion scripts from the tree of commands.  Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha::cli {

// What an argument or the value of an option can be completed to.
enum class Completes { kNothing, kFile, kDirectory, kJob, kWords };

struct OptionNode {
  std::vector<std::string> names;  // "--dir", "-d".
  std::string help;
  bool takes_value = false;
  Completes value = Completes::kNothing;
  std::vector<std::string> words;  // For kWords.
};

struct CommandNode {
  std::string name;
  std::string help;
  std::vector<OptionNode> options;
  std::vector<CommandNode> commands;
  Completes argument = Completes::kNothing;
  std::vector<std::string> words;  // Values of the argument, for kWords.
};

// `shell` is bash, zsh or fish; anything else is INVALID_ARGUMENT.
absl::StatusOr<std::string> CompletionScript(const CommandNode& root,
                                             absl::string_view shell);

}  // namespace aha::cli
