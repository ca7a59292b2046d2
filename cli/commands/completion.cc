#include "cli/commands/completion.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace aha::cli {
namespace {

// Offers the jobs of runs/.  It does not use `compgen -W`, which expands the
// names again and so would run a command that stands in one.
constexpr char kBashJobs[] =
    "_ahactl_jobs() {\n"
    "  local d n\n"
    "  for d in runs/*/; do\n"
    "    n=${d#runs/} n=${n%/}\n"
    "    [[ $n == \"$cur\"* && $n != -* && $n != *[!A-Za-z0-9_.-]* &&\n"
    "       -e ${d}job.yaml ]] && COMPREPLY+=(\"$n\")\n"
    "  done\n"
    "}\n";
// A name is matched as a whole, since it may hold newlines.
constexpr char kFishJobs[] =
    "(for d in runs/*/; "
    "string match -qr '^runs/[A-Za-z0-9_.][A-Za-z0-9_.-]*/$' -- $d; "
    "and test -e $d/job.yaml; and basename $d; end)";

std::string Joined(const std::vector<std::string>& words) {
  return absl::StrJoin(words, " ");
}

// What bash puts into COMPREPLY for a value.
std::string BashReply(Completes kind, const std::vector<std::string>& words) {
  switch (kind) {
    case Completes::kNothing:
      return "COMPREPLY=()";
    case Completes::kFile:
      return "COMPREPLY=($(compgen -f -- \"$cur\"))";
    case Completes::kDirectory:
      return "COMPREPLY=($(compgen -d -- \"$cur\"))";
    case Completes::kJob:
      return "_ahactl_jobs";
    case Completes::kWords:
      return absl::StrCat("COMPREPLY=($(compgen -W \"", Joined(words),
                          "\" -- \"$cur\"))");
  }
  return "";
}

// One `case` arm for each command: the values of its options by the word
// before, then options, subcommands and the argument by what is typed.
void BashArms(const CommandNode& command, const std::string& path,
              std::string* out) {
  std::vector<std::string> options;
  std::string values;
  for (const OptionNode& option : command.options) {
    options.insert(options.end(), option.names.begin(), option.names.end());
    if (!option.takes_value) continue;
    absl::StrAppend(&values, "        ", absl::StrJoin(option.names, "|"), ") ",
                    BashReply(option.value, option.words), "; return ;;\n");
  }
  std::vector<std::string> commands;
  for (const CommandNode& child : command.commands) {
    commands.push_back(child.name);
  }
  absl::StrAppend(out, "    \"", path, "\")\n");
  if (!values.empty()) {
    absl::StrAppend(out, "      case $prev in\n", values, "      esac\n");
  }
  absl::StrAppend(out, "      if [[ $cur == -* ]]; then\n",
                  "        COMPREPLY=($(compgen -W \"", Joined(options),
                  "\" -- \"$cur\"))\n", "      else\n        ",
                  commands.empty() ? BashReply(command.argument, command.words)
                                   : BashReply(Completes::kWords, commands),
                  "\n      fi ;;\n");
  for (const CommandNode& child : command.commands) {
    BashArms(child, absl::StrCat(path, " ", child.name), out);
  }
}

std::string Paths(const CommandNode& command, const std::string& path) {
  std::string paths = absl::StrCat("|", path, "|");
  for (const CommandNode& child : command.commands) {
    paths += Paths(child, absl::StrCat(path, " ", child.name));
  }
  return paths;
}

std::string BashScript(const CommandNode& root) {
  std::string arms;
  BashArms(root, root.name, &arms);
  return absl::StrCat(
      "# bash completion of ", root.name, "; load it with\n#   source <(",
      root.name, " completion bash)\n", kBashJobs, "_", root.name,
      "() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  local path=",
      root.name, " known='", Paths(root, root.name),
      "' i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [[ $known == *\"|$path ${COMP_WORDS[i]}|\"* ]] &&"
      " path+=\" ${COMP_WORDS[i]}\"\n"
      "  done\n"
      "  COMPREPLY=()\n"
      "  case $path in\n",
      arms, "  esac\n}\ncomplete -o filenames -o bashdefault -F _", root.name,
      " ", root.name, "\n");
}

// zsh runs the bash function through its own compatibility layer.
std::string ZshScript(const CommandNode& root) {
  return absl::StrCat("#compdef ", root.name, "\n# load it with: source <(",
                      root.name,
                      " completion zsh)\n"
                      "autoload -U +X compinit && compinit\n"
                      "autoload -U +X bashcompinit && bashcompinit\n",
                      BashScript(root));
}

std::string FishQuote(absl::string_view text) {
  return absl::StrCat(
      "'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string FishValue(Completes kind, const std::vector<std::string>& words) {
  switch (kind) {
    case Completes::kNothing:
      return " -x";
    case Completes::kFile:
      return " -r -F";
    case Completes::kDirectory:
      return " -x -a '(__fish_complete_directories)'";
    case Completes::kJob:
      return absl::StrCat(" -x -a ", FishQuote(kFishJobs));
    case Completes::kWords:
      return absl::StrCat(" -x -a ", FishQuote(Joined(words)));
  }
  return "";
}

void FishLines(const CommandNode& command, const std::string& root,
               const std::vector<std::string>& path, std::string* out) {
  std::vector<std::string> conditions;
  for (const std::string& word : path) {
    conditions.push_back(absl::StrCat("__fish_seen_subcommand_from ", word));
  }
  std::vector<std::string> children;
  for (const CommandNode& child : command.commands) {
    children.push_back(child.name);
  }
  std::vector<std::string> here = conditions;
  if (!children.empty()) {
    here.push_back(
        absl::StrCat("not __fish_seen_subcommand_from ", Joined(children)));
  }
  const auto when = [](const std::vector<std::string>& all) {
    return all.empty()
               ? ""
               : absl::StrCat(" -n ", FishQuote(absl::StrJoin(all, "; and ")));
  };
  for (const CommandNode& child : command.commands) {
    absl::StrAppend(out, "complete -c ", root, " -f", when(here), " -a ",
                    child.name, " -d ", FishQuote(child.help), "\n");
  }
  if (command.argument != Completes::kNothing) {
    absl::StrAppend(out, "complete -c ", root, when(here),
                    FishValue(command.argument, command.words), "\n");
  }
  for (const OptionNode& option : command.options) {
    absl::StrAppend(out, "complete -c ", root, when(conditions));
    for (absl::string_view name : option.names) {
      if (absl::ConsumePrefix(&name, "--")) {
        absl::StrAppend(out, " -l ", name);
      } else if (absl::ConsumePrefix(&name, "-")) {
        absl::StrAppend(out, " -s ", name);
      }
    }
    if (option.takes_value) {
      absl::StrAppend(out, FishValue(option.value, option.words));
    }
    absl::StrAppend(out, " -d ", FishQuote(option.help), "\n");
  }
  for (const CommandNode& child : command.commands) {
    std::vector<std::string> longer = path;
    longer.push_back(child.name);
    FishLines(child, root, longer, out);
  }
}

std::string FishScript(const CommandNode& root) {
  std::string out =
      absl::StrCat("# fish completion of ", root.name, "; load it with\n#   ",
                   root.name, " completion fish | source\n");
  FishLines(root, root.name, {}, &out);
  return out;
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const CommandNode& root,
                                             absl::string_view shell) {
  if (shell == "bash") return BashScript(root);
  if (shell == "zsh") return ZshScript(root);
  if (shell == "fish") return FishScript(root);
  return absl::InvalidArgumentError(absl::StrCat(
      "shell must be one of bash, zsh, fish; found \"", shell, "\""));
}

}  // namespace aha::cli
