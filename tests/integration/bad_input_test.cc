// Gives bad input to the real programs, as a user would. Each must answer with
// one clear line and the documented exit code, and nothing may be lost.
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/file/job.h"
#include "job/model_setup.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kRefused = 78;
constexpr absl::Duration kLimit = absl::Minutes(1);

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipWhitespace());
}

class BadInputTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const {
    return scratch_.path() + "/" + name;
  }
  std::string Write(const std::string& name, const std::string& content) const {
    return scratch_.Write(name, content);
  }
  CommandResult Ahactl(const std::string& job,
                       std::vector<std::string> more = {}) const {
    std::vector<std::string> argv = {Binary("ahactl"), "run",       job,
                                     "--dir",          Path("run"), "--quiet"};
    argv.insert(argv.end(), more.begin(), more.end());
    return RunCommand(argv, kLimit);
  }
  // Expects one line, exit code 2, and no trace of a run.
  void ExpectRefused(const CommandResult& result,
                     const std::string& what) const {
    EXPECT_EQ(result.exit_code, 2) << result.output;
    EXPECT_EQ(Lines(result.output).size(), 1u) << result.output;
    EXPECT_THAT(result.output, AllOf(StartsWith("ahactl: "), HasSubstr(what)));
    EXPECT_FALSE(fs::exists(Path("run"))) << what;
  }
  // Writes a valid model directory.
  std::string WriteModel() const {
    const absl::StatusOr<v1::Job> job = ParseJob(kSmallJob, "small");
    const absl::StatusOr<ModelSetup> setup = SetUpModel(job->model());
    std::string dir = Path("model");
    Write("model/config.json", setup->config.ToJson());
    for (const auto& [name, content] : setup->tokenizer_files) {
      Write("model/" + name, content);
    }
    EXPECT_TRUE(WriteSafetensors(*StartingWeights(*job, *setup),
                                 dir + "/model.safetensors")
                    .ok());
    return dir;
  }
  std::string JobWithModel(const std::string& dir) const {
    return Write("job.yaml", absl::StrReplaceAll(
                                 kSmallJob, {{kSmallModel, "path: " + dir}}));
  }
  std::string JobWithPrompts(const std::string& file) const {
    return Write(
        "job.yaml",
        absl::StrReplaceAll(kSmallJob, {{kSmallPrompts, "file: " + file}}));
  }

  TempDir scratch_;
};

TEST_F(BadInputTest, AWrongKeyOrValueIsOneLineThatNamesItAndTheRule) {
  struct Case {
    const char* from;
    const char* to;
    const char* says;
  };
  const Case cases[] = {
      {"num_generations", "num_generation", "did you mean num_generations"},
      {"rewards:", "reward:", "did you mean rewards"},
      {"steps: 3", "steps: three", "steps"},
      {"steps: 3", "steps: [3]", "steps"},
      {"num_generations: 2", "num_generations: 1", "num_generations"},
      {"max_completion_length: 8", "max_completion_length: 64",
       "max_position_embeddings"},
      {"learners: 1", "learners: 0", "cluster.learners"},
      {"hidden_size: 32", "hidden_size: 33", "num_attention_heads"},
      {"max_operations: 1", "max_operations: 0", "max_operations"},
      {"type: grpo", "type: ppo", "stages[0].type"},
      {"seed: 7", "seed: -7", "seed"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.to);
    ExpectRefused(Ahactl(Write("job.yaml", absl::StrReplaceAll(
                                               kSmallJob, {{c.from, c.to}}))),
                  c.says);
  }
}

TEST_F(BadInputTest, AFileThatIsNotAJobIsOneLine) {
  ExpectRefused(Ahactl(Path("none.yaml")), "none.yaml: No such file");
  ExpectRefused(Ahactl(Write("empty.yaml", "")), "empty.yaml");
  ExpectRefused(Ahactl(Write("list.yaml", "- 1\n")), "list.yaml");
  ExpectRefused(Ahactl(Write("binary.yaml", std::string("\x7f"
                                                        "ELF\0\1\2\3",
                                                        8))),
                "binary.yaml");
  ExpectRefused(Ahactl(Write("open.yaml", "name: \"x\nmodel: {")),
                "open.yaml:");
  ExpectRefused(Ahactl(Write("huge.yaml", std::string(2 << 20, 'x'))),
                "must have at most 1048576 bytes, has 2097152");
  ExpectRefused(Ahactl(scratch_.path()), "not a regular file");
}

// Replaces the header of <model>/model.safetensors by the result of `change`.
void ChangeHeader(const std::string& dir,
                  const std::function<void(nlohmann::json&)>& change) {
  const std::string path = dir + "/model.safetensors";
  std::string bytes = ReadFileOrEmpty(path);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  nlohmann::json header = nlohmann::json::parse(bytes.substr(8, length));
  change(header);
  const std::string text = header.dump();
  const uint64_t size = text.size();
  std::string out(reinterpret_cast<const char*>(&size), 8);
  out += text + bytes.substr(8 + length);
  std::ofstream(path, std::ios::binary) << out;
}

TEST_F(BadInputTest, ABrokenModelDirectoryIsOneLineBeforeAnythingStarts) {
  const std::string norm = "model.norm.weight";
  const auto header = [norm](const char* field, const nlohmann::json& value) {
    return [=](const std::string& dir) {
      ChangeHeader(dir, [&](nlohmann::json& h) { h[norm][field] = value; });
    };
  };
  const auto replace = [](const char* file, const std::string& content) {
    return [=](const std::string& dir) {
      std::ofstream(dir + "/" + file, std::ios::binary) << content;
    };
  };
  const auto remove = [](const char* file) {
    return [=](const std::string& dir) { fs::remove(dir + "/" + file); };
  };
  struct Case {
    std::function<void(const std::string&)> damage;
    std::string says;
  };
  const Case cases[] = {
      {[](const std::string& dir) { fs::remove_all(dir); }, "is not there"},
      {remove("config.json"), "config.json"},
      {remove("tokenizer.json"), "tokenizer.json"},
      {remove("model.safetensors"), "model.safetensors"},
      {[](const std::string& dir) {
         fs::resize_file(dir + "/model.safetensors", 3000);
       },
       "model.safetensors"},
      {[](const std::string& dir) {
         fs::resize_file(dir + "/model.safetensors", 0);
       },
       "at least 8 bytes"},
      {header("shape", {16, 2}), "tensor \"model.norm.weight\": shape must be"},
      // This type has the size of the dtype that this machine computes in.
      {[norm](const std::string& dir) {
         ChangeHeader(dir, [&](nlohmann::json& h) {
           h[norm]["dtype"] = h[norm]["dtype"] == "BF16" ? "I16" : "I32";
         });
       },
       "dtype must be F32, BF16 or F16, found I"},
      {header("data_offsets", {0, 1LL << 60}), "model.norm.weight"},
      {header("data_offsets", "x"), "model.norm.weight"},
      {replace("model.safetensors", std::string(64, '\xff')),
       "model.safetensors"},
      {replace("tokenizer.json", "{\"model\": {\"type\": \"BPE\", "),
       "tokenizer.json"},
      {replace("tokenizer.json", "{}"), "tokenizer.json"},
      {replace("config.json", "{\"model_type\": \"gpt2\"}"), "model_type"},
      {replace("config.json", "\xff\xfe"), "config.json"},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    SCOPED_TRACE(absl::StrCat("case ", i, ": ", cases[i].says));
    const std::string dir = WriteModel();
    cases[i].damage(dir);
    const CommandResult result = Ahactl(JobWithModel(dir));
    ExpectRefused(result, cases[i].says);
    EXPECT_THAT(result.output, HasSubstr("model.path \"" + dir));
    // aha-model reports the same error.
    const CommandResult scored =
        RunCommand({Binary("aha-model"), "generate", dir, "--prompt", "1",
                    "--max-new-tokens", "1"});
    EXPECT_NE(scored.exit_code, 0);
    EXPECT_THAT(scored.exit_code, ::testing::AnyOf(1, 2, 4)) << scored.output;
    EXPECT_EQ(Lines(scored.output).size(), 1u) << scored.output;
    EXPECT_THAT(scored.output, StartsWith("aha-model: "));
  }
}

TEST_F(BadInputTest, AModelWhoseContextIsTooShortIsRefused) {
  const std::string job = JobWithModel(WriteModel());
  ExpectRefused(Ahactl(job, {"--set", "sampling.max_completion_length=60"}),
                "must be at most max_position_embeddings");
}

TEST_F(BadInputTest, ABrokenPromptFileIsNamedWithItsLine) {
  const std::string good = "{\"prompt\": \"1+1=\", \"answer\": 2}\n";
  const std::string file = Write("p.jsonl", good + good + "{\"prompt\": 3}\n");
  ExpectRefused(Ahactl(JobWithPrompts(file)), "p.jsonl:3: prompt must be text");
  Write("p.jsonl", good + "{\"prompt\": \"x\", \n");
  ExpectRefused(Ahactl(JobWithPrompts(file)), "p.jsonl:2: not valid JSON");
  Write("p.jsonl", "");
  ExpectRefused(Ahactl(JobWithPrompts(file)), "must have at least one row");
  fs::remove(file);
  ExpectRefused(Ahactl(JobWithPrompts(file)),
                "prompts.file: cannot open " + file + ": No such file");
}

TEST_F(BadInputTest, ACoordinatorsRefusalIsFinal) {
  const auto coordinator = [&](const std::string& job) {
    return RunCommand({Binary("aha-coordinator"), "--job", job, "--run-dir",
                       Path("run"), "--listen", "127.0.0.1:0"},
                      kLimit);
  };
  const std::string file = Write("p.jsonl", "{\"prompt\": \"x\"}\n");
  const CommandResult broken = coordinator(JobWithPrompts(file));
  EXPECT_EQ(broken.exit_code, kRefused);
  EXPECT_THAT(broken.output, HasSubstr("p.jsonl:1: answer is missing"));
  const CommandResult absent = coordinator(JobWithPrompts(Path("none.jsonl")));
  EXPECT_EQ(absent.exit_code, kRefused);
  EXPECT_THAT(absent.output, HasSubstr("prompts.file: "));
  EXPECT_EQ(coordinator(Path("none.yaml")).exit_code, kRefused);
}

TEST_F(BadInputTest, AMemberRefusesAModelThatDoesNotExist) {
  const std::string job = JobWithModel(Path("nowhere"));
  Service coordinator(
      {Binary("aha-coordinator"), "--job", job, "--run-dir", Path("run")},
      Path("coordinator.out"));
  const std::string address = AwaitEndpoint(Path("run"));
  ASSERT_NE(address, "") << ReadFileOrEmpty(Path("coordinator.out"));
  for (const char* program : {"aha-learner", "aha-actor"}) {
    const CommandResult result =
        RunCommand({Binary(program), "--coordinator", address}, kLimit);
    EXPECT_EQ(result.exit_code, kRefused) << result.output;
    EXPECT_THAT(result.output,
                HasSubstr("nowhere\": must be a model directory"));
  }
}

TEST_F(BadInputTest, APortInUseIsOneLineAndFinal) {
  const TakenPort taken;
  const std::string job = Write("job.yaml", kSmallJob);
  for (const char* flag : {"--listen", "--metrics-listen"}) {
    const CommandResult result =
        RunCommand({Binary("aha-coordinator"), "--job", job, "--run-dir",
                    Path("run"), flag, taken.address()},
                   kLimit);
    EXPECT_EQ(result.exit_code, kRefused) << result.output;
    EXPECT_THAT(result.output,
                AllOf(HasSubstr(taken.address()), HasSubstr("in use")));
    EXPECT_FALSE(fs::exists(Path("run/endpoint.json")));
  }
  const CommandResult reward =
      RunCommand({Binary("aha-reward"), "--listen", taken.address(),
                  "--coordinator", "127.0.0.1:1"},
                 kLimit);
  EXPECT_EQ(reward.exit_code, kRefused) << reward.output;
  // The directory can still be used.
  EXPECT_EQ(Ahactl(job).exit_code, 0);
}

TEST_F(BadInputTest, ARunDirectoryBelongsToTheJobThatDidAStepInIt) {
  const std::string job = Write("job.yaml", kSmallJob);
  ASSERT_EQ(Ahactl(job).exit_code, 0);
  const std::string before = ReadFileOrEmpty(Path("run/job.yaml"));
  const CommandResult same = Ahactl(job);
  EXPECT_EQ(same.exit_code, 5);
  EXPECT_THAT(same.output,
              AllOf(HasSubstr("succeeded"), HasSubstr("--resume")));
  const CommandResult other = Ahactl(job, {"--set", "seed=8"});
  EXPECT_EQ(other.exit_code, 5);
  EXPECT_THAT(other.output,
              AllOf(HasSubstr("holds another job"), HasSubstr("--dir")));
  const CommandResult direct = RunCommand(
      {Binary("aha-coordinator"), "--job",
       Write("other.yaml",
             absl::StrReplaceAll(kSmallJob, {{"seed: 7", "seed: 8"}})),
       "--run-dir", Path("run")},
      kLimit);
  EXPECT_EQ(direct.exit_code, kRefused);
  EXPECT_THAT(direct.output, HasSubstr("holds another job"));
  EXPECT_EQ(ReadFileOrEmpty(Path("run/job.yaml")), before);
  // If a kill between the last commit and the summary lost it, or if it is
  // damaged, the summary is written again.
  const std::string summary = Path("run/summary.json");
  const std::string checksum =
      nlohmann::json::parse(ReadFileOrEmpty(summary))["checksum"];
  for (const bool there : {false, true}) {
    fs::remove(summary);
    if (there) Write("run/summary.json", "{\"checksum\": ");
    const CommandResult resumed = Ahactl(job, {"--resume"});
    EXPECT_EQ(resumed.exit_code, 0) << resumed.output;
    EXPECT_THAT(resumed.output, HasSubstr(checksum));
    EXPECT_THAT(ReadFileOrEmpty(summary), HasSubstr(checksum));
  }
}

TEST_F(BadInputTest, ADirectoryWhereNoStepWasDoneTakesAnotherJob) {
  const std::string job = Write("job.yaml", kSmallJob);
  {
    Service coordinator(
        {Binary("aha-coordinator"), "--job", job, "--run-dir", Path("run")},
        Path("coordinator.out"));
    ASSERT_NE(AwaitEndpoint(Path("run")), "");
  }  // Destroying the cluster kills it.
  ASSERT_TRUE(fs::exists(Path("run/coordinator.db")));
  const CommandResult resumed = Ahactl(job, {"--resume", "--set", "seed=8"});
  EXPECT_EQ(resumed.exit_code, 5) << resumed.output;
  const CommandResult other = Ahactl(job, {"--set", "seed=8"});
  EXPECT_EQ(other.exit_code, 0) << other.output;
  EXPECT_THAT(ReadFileOrEmpty(Path("run/job.yaml")), HasSubstr("seed: 8"));
}

TEST_F(BadInputTest, ARunDirectoryThatCannotBeCreatedIsAWrongArgument) {
  const std::string job = Write("job.yaml", kSmallJob);
  ExpectRefused(
      RunCommand({Binary("ahactl"), "run", job, "--dir", job + "/run"}, kLimit),
      "--dir: cannot create run directory " + job + "/run");
}

TEST_F(BadInputTest, WeightsThatWereReplacedAreRefusedOnResumeByName) {
  const std::string weights = WriteModel() + "/model.safetensors";
  const std::string job = Write(
      "job.yaml",
      absl::StrReplaceAll(kSmallJob, {{kSmallModel, "path: " + Path("model")},
                                      {"steps: 3", "steps: 24"}}));
  {
    LocalCluster cluster(job, Path("run"), {});
    ASSERT_TRUE(cluster.WaitForSteps(1, kLimit));
  }  // Destroying the cluster kills it.
  std::string bytes = ReadFileOrEmpty(weights);
  bytes.back() ^= 1;
  Write("model/model.safetensors", bytes);
  const CommandResult edited = Ahactl(job, {"--resume"});
  EXPECT_EQ(edited.exit_code, 5) << edited.output;
  EXPECT_THAT(edited.output,
              HasSubstr("model.path/model.safetensors: learner"));
  bytes.back() ^= 1;
  Write("model/model.safetensors", bytes);
  const CommandResult same = Ahactl(job, {"--resume"});
  EXPECT_EQ(same.exit_code, 0) << same.output;
}

TEST_F(BadInputTest, AFullDiskLosesACheckpointNotTheJob) {
  const std::string job = Write(
      "job.yaml",
      absl::StrReplaceAll(kSmallJob, {{"steps: 3", "steps: 12"},
                                      {"hidden_size: 32", "hidden_size: 64"}}) +
          "checkpoint: {every_steps: 1}\n");
  LocalCluster cluster(job, Path("run"), {});
  ASSERT_TRUE(cluster.WaitForSteps(2, kLimit));
  pid_t learner = 0;
  for (const Process& process : cluster.Processes()) {
    if (process.role == "learner") learner = process.pid;
  }
  // The optimizer's file exceeds this limit, the log does not.
  const rlimit limit{64 << 10, 64 << 10};
  ASSERT_EQ(prlimit(learner, RLIMIT_FSIZE, &limit, nullptr), 0);
  EXPECT_EQ(cluster.Wait(kLimit), 0) << cluster.Output();
  EXPECT_THAT(ReadFileOrEmpty(Path("run/logs/learner-0.log")),
              HasSubstr("training continues, the checkpoint before stays"));
  EXPECT_EQ(cluster.StepsDone(), 12);
  int64_t kept = 0;
  for (const auto& entry : fs::directory_iterator(Path("run/checkpoints"))) {
    kept += fs::exists(entry.path() / "manifest.json");
  }
  EXPECT_GE(kept, 1);
  EXPECT_FALSE(fs::exists(Path("run/checkpoints/step-000012")));
  EXPECT_THAT(cluster.Output(),
              HasSubstr("the last steps are in no checkpoint"));
}

}  // namespace
}  // namespace aha::testing
