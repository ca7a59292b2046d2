#include "cli/term/completion.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

CommandNode SampleTree() {
  const OptionNode output{.names = {"--output", "-o"},
                          .help = "how it's printed",
                          .takes_value = true,
                          .value = Completes::kWords,
                          .words = {"table", "json", "yaml"}};
  const OptionNode dir{.names = {"--dir"},
                       .help = "",
                       .takes_value = true,
                       .value = Completes::kDirectory,
                       .words = {}};
  CommandNode list{.name = "list",
                   .help = "all",
                   .options = {output, dir},
                   .commands = {},
                   .words = {}};
  CommandNode get = list;
  get.name = "get";
  get.argument = Completes::kJob;
  CommandNode logs = get;
  logs.name = "logs";
  for (const auto& [name, value] : {std::pair{"--process", Completes::kProcess},
                                    std::pair{"--stage", Completes::kStage}}) {
    logs.options.push_back({.names = {name},
                            .help = "",
                            .takes_value = true,
                            .value = value,
                            .words = {}});
  }
  CommandNode job{.name = "job",
                  .help = "jobs",
                  .options = {},
                  .commands = {list, get, logs},
                  .words = {}};
  const OptionNode set{.names = {"--set"},
                       .help = "",
                       .takes_value = true,
                       .value = Completes::kAssignments,
                       .words = {"seed", "stages[0].grpo.steps"}};
  CommandNode run{.name = "run",
                  .help = "run",
                  .options = {dir, set},
                  .commands = {},
                  .argument = Completes::kFile,
                  .words = {}};
  return {.name = "ahactl",
          .help = "",
          .options = {},
          .commands = {job, run},
          .words = {}};
}

std::string Shell(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  size_t got;
  while ((got = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    out.append(buffer, got);
  }
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << out;
  return out;
}

class BashCompletionTest : public ::testing::Test {
 protected:
  BashCompletionTest() {
    script_ =
        dir_.Write("ahactl.bash", *CompletionScript(SampleTree(), "bash"));
    dir_.Write("runs/tiny/job.yaml", "name: tiny\n");
    dir_.Write("runs/empty/x", "");
    dir_.Write("job/a_folder_named_as_a_command", "");
  }

  // What bash offers after the words typed; the last may be empty.
  std::vector<std::string> Complete(const std::vector<std::string>& words) {
    std::string array;
    for (const std::string& word : words) {
      absl::StrAppend(&array, " '", word, "'");
    }
    const std::string driver = dir_.Write(
        "driver.bash",
        absl::StrCat("cd '", dir_.path(), "'\nsource '", script_,
                     "'\nCOMP_WORDS=(ahactl", array,
                     ")\nCOMP_CWORD=", words.size(),
                     "\n_ahactl\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"));
    const std::string out = Shell(absl::StrCat("bash '", driver, "' 2>&1"));
    return absl::StrSplit(out, '\n', absl::SkipEmpty());
  }

  TempDir dir_;
  std::string script_;
};

TEST_F(BashCompletionTest, TheScriptIsValidBash) {
  EXPECT_EQ(Shell(absl::StrCat("bash -n '", script_, "' 2>&1")), "");
}

TEST_F(BashCompletionTest, CommandsAndOptionsComplete) {
  EXPECT_THAT(Complete({""}), UnorderedElementsAre("job", "run"));
  EXPECT_THAT(Complete({"j"}), ElementsAre("job"));
  EXPECT_THAT(Complete({"job", ""}),
              UnorderedElementsAre("list", "get", "logs"));
  EXPECT_THAT(Complete({"job", "list", "--"}),
              UnorderedElementsAre("--output", "--dir"));
  EXPECT_THAT(Complete({"job", "x"}), IsEmpty());
}

TEST_F(BashCompletionTest, ValuesCompleteByWhatTheyAre) {
  EXPECT_THAT(Complete({"job", "list", "-o", ""}),
              UnorderedElementsAre("table", "json", "yaml"));
  EXPECT_THAT(Complete({"job", "get", ""}), ElementsAre("tiny"));
  EXPECT_THAT(Complete({"job", "get", "--dir", "ru"}), ElementsAre("runs"));
  EXPECT_THAT(Complete({"run", "runs/tiny/j"}),
              ElementsAre("runs/tiny/job.yaml"));
}

// Runs bash's own completion on what is typed, as a terminal would.
TEST_F(BashCompletionTest, ACommandIsNotTakenForAFolderOfThatName) {
  const std::string typed = absl::StrCat(
      "cd '", dir_.path(), "'; PS1='$ '; source '", script_,
      "'; ahactl() { printf '<%s>' \"$@\"; }; bind 'set enable-bracketed-paste "
      "off'\nahactl jo\t\nexit\n");
  const std::string input = dir_.Write("typed", typed);
  EXPECT_THAT(Shell(absl::StrCat("TERM=dumb INPUTRC=/dev/null script -qec "
                                 "'bash --norc -i' /dev/null < '",
                                 input, "' 2>&1 || true")),
              HasSubstr("<job>"));
}

TEST_F(BashCompletionTest, KeysCompleteUpToTheirEqualsSign) {
  EXPECT_THAT(Complete({"run", "--set", "se"}), ElementsAre("seed="));
  EXPECT_THAT(Complete({"run", "--set", "stages"}),
              ElementsAre("stages[0].grpo.steps="));
}

TEST_F(BashCompletionTest, ProcessesAndStagesAreThoseOfTheJobOnTheLine) {
  dir_.Write("runs/tiny/logs/actor-0.log", "");
  dir_.Write("runs/tiny/logs/$(touch pwned).log", "");
  dir_.Write("runs/tiny/job.yaml",
             "name: tiny\nrewards:\n  - name: no\nstages:\n  - name: before\n"
             "    type: eval\n  - name: $(touch pwned)\ncluster:\n");
  dir_.Write("runs/other/job.yaml", "stages:\n  - name: sft\n");
  dir_.Write("runs/other/logs/learner-0.log", "");
  EXPECT_THAT(Complete({"job", "logs", "tiny", "--process", ""}),
              ElementsAre("actor-0"));
  EXPECT_THAT(Complete({"job", "logs", "tiny", "--stage", "b"}),
              ElementsAre("before"));
  EXPECT_THAT(Complete({"job", "logs", "--dir", "runs/other", "--process", ""}),
              ElementsAre("learner-0"));
  EXPECT_THAT(Complete({"job", "logs", "other", "--stage", ""}),
              ElementsAre("sft"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/pwned"));
}

// Hostile names that a directory below runs/ could have.
constexpr const char* kHostileNames[] = {"$(touch pwned)",
                                         "`touch pwned`",
                                         "a;touch pwned",
                                         "(touch pwned)",
                                         "-rf",
                                         "a b",
                                         "*",
                                         "x\ny"};

TEST_F(BashCompletionTest, ANameThatIsACommandIsNeitherRunNorOffered) {
  for (const char* name : kHostileNames) {
    dir_.Write(absl::StrCat("runs/", name, "/job.yaml"), "name: tiny\n");
  }
  dir_.Write("runs/Tiny-2_b.c/job.yaml", "name: tiny\n");
  EXPECT_THAT(Complete({"job", "get", ""}),
              UnorderedElementsAre("tiny", "Tiny-2_b.c"));
  EXPECT_THAT(Complete({"job", "get", "$(touch pwned)"}), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/pwned"));
}

bool Installed(const char* shell) {
  return std::system(
             absl::StrCat("command -v ", shell, " >/dev/null").c_str()) == 0;
}

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

TEST_F(BashCompletionTest, FishCompletesTheSame) {
  if (!Installed("fish")) GTEST_SKIP() << "fish is not installed";
  const std::string script =
      dir_.Write("ahactl.fish", *CompletionScript(SampleTree(), "fish"));
  const auto complete = [&](const std::string& line) {
    return Lines(Shell(absl::StrCat(
        "cd '", dir_.path(), "' && HOME=. fish --no-config -c 'source ", script,
        "; complete -C \"", line, "\"' 2>&1 | cut -f1")));
  };
  EXPECT_THAT(complete("ahactl "), UnorderedElementsAre("job", "run"));
  EXPECT_THAT(complete("ahactl job "),
              UnorderedElementsAre("list", "get", "logs"));
  EXPECT_THAT(complete("ahactl job list -o "),
              UnorderedElementsAre("table", "json", "yaml"));
  for (const char* name : kHostileNames) {
    dir_.Write(absl::StrCat("runs/", name, "/job.yaml"), "name: tiny\n");
  }
  EXPECT_THAT(complete("ahactl job get "), ElementsAre("tiny"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/pwned"));
  EXPECT_THAT(complete("ahactl job list --"), Contains("--output"));
}

TEST_F(BashCompletionTest, ZshCompletesTheSame) {
  if (!Installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  const std::string script =
      dir_.Write("ahactl.zsh", *CompletionScript(SampleTree(), "zsh"));
  // How bashcompinit calls the function: with sh's rules for arrays.
  const auto complete = [&](const std::string& words, int at) {
    const std::string driver = dir_.Write(
        "driver.zsh",
        absl::StrCat("cd '", dir_.path(), "'\nexport ZDOTDIR=.\nsource '",
                     script, "'\n[[ -n ${_comps[ahactl]} ]] || exit 3\n",
                     "emulate sh\nCOMP_WORDS=(ahactl ", words, ")\nCOMP_CWORD=",
                     at, "\n_ahactl\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"));
    return Lines(Shell(absl::StrCat("zsh -f '", driver, "' 2>&1")));
  };
  EXPECT_THAT(complete("''", 1), UnorderedElementsAre("job", "run"));
  EXPECT_THAT(complete("job ''", 2),
              UnorderedElementsAre("list", "get", "logs"));
  EXPECT_THAT(complete("job list -o ''", 4),
              UnorderedElementsAre("table", "json", "yaml"));
  for (const char* name : kHostileNames) {
    dir_.Write(absl::StrCat("runs/", name, "/job.yaml"), "name: tiny\n");
  }
  EXPECT_THAT(complete("job get ''", 3), ElementsAre("tiny"));
  EXPECT_FALSE(std::filesystem::exists(dir_.path() + "/pwned"));
}

TEST(CompletionTest, OtherShellsGetScriptsToo) {
  EXPECT_THAT(*CompletionScript(SampleTree(), "zsh"),
              HasSubstr("bashcompinit"));
  const std::string fish = *CompletionScript(SampleTree(), "fish");
  EXPECT_THAT(fish, HasSubstr("-a list"));
  EXPECT_THAT(fish, HasSubstr("-l output -s o"));
  EXPECT_THAT(fish, HasSubstr("how it\\'s printed"));
  EXPECT_EQ(CompletionScript(SampleTree(), "tcsh").status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace aha::cli
