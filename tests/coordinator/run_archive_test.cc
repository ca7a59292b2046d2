// What the admin API shows of the runs on a disk, and what it does not.
#include "coordinator/run_archive.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RunArchiveTest : public ::testing::Test {
 protected:
  RunArchiveTest() {
    dir_.Write("runs/done/job.yaml", "name: done\n");
    dir_.Write("runs/done/summary.json",
               R"({"job": "done", "state": "succeeded", "seconds": 2.5,
                   "checksum": "ab", "weights_checksum": "cd"})");
    dir_.Write("runs/done/metrics.jsonl", "0123456789");
    dir_.Write("runs/done/logs/actor-0.log", "log\n");
    dir_.Write("runs/done/coordinator.db", "secret");
    dir_.Write("runs/going/job.yaml", "name: going\n");
    dir_.Write("secret.log", "secret");
  }
  static std::vector<std::string> Names(
      const absl::StatusOr<std::vector<v1::RunFile>>& files) {
    std::vector<std::string> names;
    for (const v1::RunFile& file : *files) names.push_back(file.name());
    return names;
  }
  absl::StatusOr<std::string> Read(const std::string& job,
                                   const std::string& name, uint64_t offset = 0,
                                   uint64_t max_bytes = 0) const {
    v1::ReadRunFileRequest request;
    request.set_job(job);
    request.set_name(name);
    request.set_offset(offset);
    request.set_max_bytes(max_bytes);
    return all_.Read(request);
  }

  const TempDir dir_;
  const RunArchive all_{dir_ / "runs"};
};

TEST_F(RunArchiveTest, RunsAreListedByNameWithHowTheyEnded) {
  const std::vector<v1::JobStatus> jobs = all_.List();
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].name(), "done");
  EXPECT_EQ(jobs[0].state(), v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(jobs[0].seconds(), 2.5);
  EXPECT_EQ(jobs[0].checksum(), "ab");
  EXPECT_EQ(jobs[0].weights_checksum(), "cd");
  EXPECT_EQ(jobs[1].name(), "going");
  EXPECT_EQ(jobs[1].state(), v1::JOB_STATE_UNSPECIFIED);
}

TEST_F(RunArchiveTest, OnlyAnEndIsTakenFromASummary) {
  for (const char* other : {"running", "pending", "nonsense", "interrupted"}) {
    dir_.Write("runs/done/summary.json",
               std::string(R"({"job": "done", "state": ")") + other + "\"}");
    EXPECT_EQ(all_.List()[0].state(), v1::JOB_STATE_UNSPECIFIED) << other;
  }
  dir_.Write("runs/done/summary.json", "{ torn");
  EXPECT_EQ(all_.List()[0].state(), v1::JOB_STATE_UNSPECIFIED);
}

TEST_F(RunArchiveTest, AnArchiveOfOneRunKnowsItsJobAlone) {
  const RunArchive one("done", dir_ / "runs/done");
  ASSERT_EQ(one.List().size(), 1u);
  EXPECT_EQ(one.List()[0].name(), "done");
  EXPECT_TRUE(one.Files("done").ok());
  for (const char* other : {"going", "", ".", "..", "done/"}) {
    EXPECT_TRUE(absl::IsNotFound(one.Files(other).status())) << other;
  }
}

TEST_F(RunArchiveTest, FilesForPeopleAreShownWithTheirSizes) {
  const auto files = all_.Files("done");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(Names(files), ElementsAre("job.yaml", "logs/actor-0.log",
                                        "metrics.jsonl", "summary.json"));
  EXPECT_EQ((*files)[2].bytes(), 10u);
}

TEST_F(RunArchiveTest, AJobIsTheNameOfAFolderAndNoPath) {
  std::filesystem::create_directory_symlink(dir_.path(), dir_ / "runs/link");
  dir_.Write("runs/file", "no run");
  for (const char* name : {"", ".", "..", "../runs", "done/../going", "/",
                           "done/", "missing", "link", "file"}) {
    EXPECT_TRUE(absl::IsNotFound(all_.Files(name).status())) << name;
    EXPECT_TRUE(absl::IsNotFound(Read(name, "job.yaml").status())) << name;
  }
}

TEST_F(RunArchiveTest, NoOtherFileCanBeNamed) {
  std::filesystem::create_symlink(dir_ / "secret.log",
                                  dir_ / "runs/done/logs/link.log");
  ASSERT_EQ(::mkfifo((dir_ / "runs/done/logs/pipe.log").c_str(), 0600), 0);
  for (const char* name :
       {"coordinator.db", "../going/job.yaml", "../../secret.log", "logs",
        "logs/link.log", "logs/pipe.log", "logs/../coordinator.db",
        "/etc/passwd", "", ".", "./job.yaml"}) {
    const absl::Status status = Read("done", name).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << name << ": " << status;
  }
  EXPECT_THAT(Names(all_.Files("done")),
              ElementsAre("job.yaml", "logs/actor-0.log", "metrics.jsonl",
                          "summary.json"));
}

TEST_F(RunArchiveTest, APartOfAFileIsReadFromAnyOffset) {
  EXPECT_EQ(*Read("done", "metrics.jsonl"), "0123456789");
  EXPECT_EQ(*Read("done", "metrics.jsonl", 3), "3456789");
  EXPECT_EQ(*Read("done", "metrics.jsonl", 3, 2), "34");
  EXPECT_EQ(*Read("done", "metrics.jsonl", 10), "") << "its end";
  EXPECT_EQ(*Read("done", "metrics.jsonl", uint64_t{1} << 40), "");
  const absl::Status over =
      Read("done", "metrics.jsonl", uint64_t{1} << 63).status();
  EXPECT_TRUE(absl::IsInvalidArgument(over)) << over;
  EXPECT_THAT(std::string(over.message()), HasSubstr("offset: must be below"));
}

TEST_F(RunArchiveTest, AnAnswerIsBoundedWhateverIsAskedFor) {
  dir_.Write("runs/done/metrics.jsonl", std::string((1 << 20) + 7, 'x'));
  EXPECT_EQ(Read("done", "metrics.jsonl")->size(), 1u << 20);
  EXPECT_EQ(Read("done", "metrics.jsonl", 0, ~uint64_t{0})->size(), 1u << 20);
  EXPECT_EQ(Read("done", "metrics.jsonl", 1 << 20)->size(), 7u);
}

TEST_F(RunArchiveTest, ARootThatIsNotThereHasNoRuns) {
  const RunArchive nowhere(dir_ / "nowhere");
  EXPECT_THAT(nowhere.List(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(nowhere.Files("done").status()));
}

}  // namespace
}  // namespace aha::coordinator
