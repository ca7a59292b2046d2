// Shell completion scripts, generated from a program's tree of commands.
//
//   CLI::App app("...", "ahactl");
//   ... declare the commands ...
//   std::fputs(CompletionScript(DescribeCommands(app, keys), "bash")->c_str(),
//              stdout);
//
// What a value can be completed to is read off its type name: JOB, DIR, FILE,
// KEY, KEY=VALUE, PROCESS, STAGE, SHELL, FORMAT.  Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace CLI {
class App;
}  // namespace CLI

namespace aha::cli {

// What an argument or the value of an option can be completed to.  A job is one
// below runs/; a process and a stage are those of the job on the command line,
// or of the latest job.  After a key of kAssignments comes "=".
enum class Completes {
  kNothing,
  kFile,
  kDirectory,
  kJob,
  kProcess,
  kStage,
  kWords,
  kAssignments,
};

struct OptionNode {
  std::vector<std::string> names;  // "--dir", "-d".
  std::string help;
  bool takes_value = false;
  Completes value = Completes::kNothing;
  std::vector<std::string> words;  // For kWords and kAssignments.
};

struct CommandNode {
  std::string name;
  std::string help;
  std::vector<OptionNode> options;
  std::vector<CommandNode> commands;
  Completes argument = Completes::kNothing;
  std::vector<std::string> words;  // Values of the argument, for kWords.
};

// The command line as data.  `keys` are the values of KEY and KEY=VALUE.
CommandNode DescribeCommands(const CLI::App& app,
                             const std::vector<std::string>& keys);

// `shell` is bash, zsh or fish; anything else is INVALID_ARGUMENT.
absl::StatusOr<std::string> CompletionScript(const CommandNode& root,
                                             absl::string_view shell);

}  // namespace aha::cli
