#include "cli/term/completion.h"

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace aha::cli {
namespace {

// Names of a program that a shell function's name can hold: "aha-model" is
// "aha_model" there.
std::string FunctionOf(absl::string_view program) {
  return absl::StrReplaceAll(program, {{"-", "_"}});
}

// Helpers of the bash script; PROGRAM stands for the function's name.  None
// uses `compgen -W` or an unquoted expansion for names that are found on disk:
// bash would expand those again and so run a command that stands in one.
//
//   _words     offers those of its arguments that begin with the typed word
//   _jobs      the jobs of runs/
//   _job_dir   sets `dir` to the run directory that the line is about
//   _files     has bash treat the replies as names of files
constexpr char kBashHelpers[] = R"(_PROGRAM_words() {
  local w
  for w in "$@"; do
    [[ $w == "$cur"* ]] && COMPREPLY+=("$w")
  done
}
_PROGRAM_jobs() {
  local d n
  for d in runs/*/; do
    n=${d#runs/} n=${n%/}
    [[ $n == "$cur"* && $n != -* && $n != *[!A-Za-z0-9_.-]* &&
       -e ${d}job.yaml ]] && COMPREPLY+=("$n")
  done
}
_PROGRAM_job_dir() {
  local i w d
  dir=
  for ((i = 1; i < COMP_CWORD; i++)); do
    w=${COMP_WORDS[i]}
    [[ ${COMP_WORDS[i - 1]} == --dir && -e $w/job.yaml ]] && dir=$w && return
    [[ $w != */* && -e runs/$w/job.yaml ]] && dir=runs/$w && return
  done
  for d in runs/*/; do
    [[ -e ${d}job.yaml && ( -z $dir || $d -nt $dir ) ]] && dir=${d%/}
  done
}
_PROGRAM_processes() {
  local dir f n
  _PROGRAM_job_dir
  for f in "$dir"/logs/*.log; do
    n=${f##*/} n=${n%.log}
    [[ -e $f && $n != *[!A-Za-z0-9_.-]* ]] && _PROGRAM_words "$n"
  done
}
_PROGRAM_stages() {
  local dir line inside=
  _PROGRAM_job_dir
  while IFS= read -r line; do
    case $line in
      stages:*) inside=1 ;;
      [a-z]*) inside= ;;
      '  - name: '*) [[ $inside ]] && _PROGRAM_words "${line#  - name: }" ;;
    esac
  done 2>/dev/null <"$dir/job.yaml"
}
_PROGRAM_files() {
  compopt -o filenames 2>/dev/null
  return 0
}
)";

// A name is matched as a whole, since it may hold newlines.
constexpr char kFishJobs[] =
    "(for d in runs/*/; "
    "string match -qr '^runs/[A-Za-z0-9_.][A-Za-z0-9_.-]*/$' -- $d; "
    "and test -e $d/job.yaml; and basename $d; end)";
// fish does not say which job the line is about, so these are of all jobs.
constexpr char kFishProcesses[] =
    "(for f in runs/*/logs/*.log; "
    "string match -qr '/[A-Za-z0-9_.-]+\\.log$' -- $f; "
    "and basename $f .log; end | sort -u)";
constexpr char kFishStages[] =
    "(sed -n '/^stages:/,/^[a-z]/s/^  - name: //p' runs/*/job.yaml "
    "2>/dev/null | sort -u)";

std::string Joined(const std::vector<std::string>& words) {
  return absl::StrJoin(words, " ");
}

// Words of our own as arguments of a bash function.
std::string BashWords(const std::string& function,
                      const std::vector<std::string>& words,
                      absl::string_view end = "") {
  std::string text = absl::StrCat(function, "_words");
  for (const std::string& word : words) {
    absl::StrAppend(&text, " '", word, end, "'");
  }
  return text;
}

// What bash puts into COMPREPLY for a value.
std::string BashReply(const std::string& function, Completes kind,
                      const std::vector<std::string>& words) {
  switch (kind) {
    case Completes::kNothing:
      return "COMPREPLY=()";
    case Completes::kFile:
      return absl::StrCat(function,
                          "_files; COMPREPLY=($(compgen -f -- \"$cur\"))");
    case Completes::kDirectory:
      return absl::StrCat(function,
                          "_files; COMPREPLY=($(compgen -d -- \"$cur\"))");
    case Completes::kJob:
      return absl::StrCat(function, "_jobs");
    case Completes::kProcess:
      return absl::StrCat(function, "_processes");
    case Completes::kStage:
      return absl::StrCat(function, "_stages");
    case Completes::kWords:
      return BashWords(function, words);
    case Completes::kAssignments:
      return absl::StrCat("compopt -o nospace 2>/dev/null; ",
                          BashWords(function, words, "="));
  }
  return "";
}

// One `case` arm for each command: the values of its options by the word
// before, then options, subcommands and the argument by what is typed.
void BashArms(const CommandNode& command, const std::string& path,
              const std::string& function, std::string* out) {
  std::vector<std::string> options;
  std::string values;
  for (const OptionNode& option : command.options) {
    options.insert(options.end(), option.names.begin(), option.names.end());
    if (!option.takes_value) continue;
    absl::StrAppend(&values, "        ", absl::StrJoin(option.names, "|"), ") ",
                    BashReply(function, option.value, option.words),
                    "; return ;;\n");
  }
  std::vector<std::string> commands;
  for (const CommandNode& child : command.commands) {
    commands.push_back(child.name);
  }
  absl::StrAppend(out, "    \"", path, "\")\n");
  if (!values.empty()) {
    absl::StrAppend(out, "      case $prev in\n", values, "      esac\n");
  }
  absl::StrAppend(out, "      if [[ $cur == -* ]]; then\n", "        ",
                  BashWords(function, options), "\n      else\n        ",
                  commands.empty()
                      ? BashReply(function, command.argument, command.words)
                      : BashWords(function, commands),
                  "\n      fi ;;\n");
  for (const CommandNode& child : command.commands) {
    BashArms(child, absl::StrCat(path, " ", child.name), function, out);
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
  const std::string function = absl::StrCat("_", FunctionOf(root.name));
  std::string arms;
  BashArms(root, root.name, function, &arms);
  return absl::StrCat(
      "# bash completion of ", root.name, "; load it with\n#   source <(",
      root.name, " completion bash)\n",
      absl::StrReplaceAll(kBashHelpers, {{"_PROGRAM", function}}), function,
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
      arms, "  esac\n}\ncomplete -F ", function, " ", root.name, "\n");
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
    case Completes::kProcess:
      return absl::StrCat(" -x -a ", FishQuote(kFishProcesses));
    case Completes::kStage:
      return absl::StrCat(" -x -a ", FishQuote(kFishStages));
    case Completes::kWords:
      return absl::StrCat(" -x -a ", FishQuote(Joined(words)));
    case Completes::kAssignments:
      return absl::StrCat(
          " -x -a ", FishQuote(absl::StrCat(absl::StrJoin(words, "= "), "=")));
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

// What the type name of an option or an argument says of its values.
void SetValues(const CLI::Option& option, const std::vector<std::string>& keys,
               Completes* kind, std::vector<std::string>* words) {
  const std::string type = option.get_type_name();
  if (type == "JOB") *kind = Completes::kJob;
  if (type == "DIR") *kind = Completes::kDirectory;
  if (type == "FILE") *kind = Completes::kFile;
  if (type == "PROCESS") *kind = Completes::kProcess;
  if (type == "STAGE") *kind = Completes::kStage;
  if (type == "KEY=VALUE") *kind = Completes::kAssignments;
  if (type == "KEY") *kind = Completes::kWords;
  if (absl::StartsWith(type, "KEY")) *words = keys;
  if (type == "FORMAT") {
    *kind = Completes::kWords;
    *words = {"table", "json", "yaml"};
  }
  if (type == "SHELL") {
    *kind = Completes::kWords;
    *words = {"bash", "zsh", "fish"};
  }
}

OptionNode Describe(const CLI::Option& option,
                    const std::vector<std::string>& keys) {
  OptionNode node;
  for (const std::string& name : option.get_lnames()) {
    node.names.push_back("--" + name);
  }
  for (const std::string& name : option.get_snames()) {
    node.names.push_back("-" + name);
  }
  node.help = option.get_description();
  node.takes_value = option.get_expected_max() > 0;
  SetValues(option, keys, &node.value, &node.words);
  return node;
}

}  // namespace

CommandNode DescribeCommands(const CLI::App& app,
                             const std::vector<std::string>& keys) {
  CommandNode node;
  node.name = app.get_name();
  node.help = app.get_description().substr(0, app.get_description().find('\n'));
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      // The first argument is the one that is completed.
      if (node.argument == Completes::kNothing) {
        SetValues(*option, keys, &node.argument, &node.words);
      }
    } else {
      node.options.push_back(Describe(*option, keys));
    }
  }
  for (const CLI::App* child : app.get_subcommands({})) {
    node.commands.push_back(DescribeCommands(*child, keys));
  }
  return node;
}

absl::StatusOr<std::string> CompletionScript(const CommandNode& root,
                                             absl::string_view shell) {
  if (shell == "bash") return BashScript(root);
  if (shell == "zsh") return ZshScript(root);
  if (shell == "fish") return FishScript(root);
  return absl::InvalidArgumentError(absl::StrCat(
      "shell must be one of bash, zsh, fish; found \"", shell, "\""));
}

}  // namespace aha::cli
