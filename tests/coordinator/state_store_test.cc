// coordinator.db where it is damaged, and the file that shows its commits.
#include "coordinator/state_store.h"

#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/writer.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {
namespace {

using ::testing::HasSubstr;

class StateStoreTest : public ::testing::Test {
 protected:
  StateStoreTest() : store_(*StateStore::Open(Path("coordinator.db"))) {
    // Stage 0 has three steps, stage 2 one.
    for (uint64_t step = 0; step < 3; ++step) Commit(0, step);
    Commit(2, 0);
  }
  std::string Path(const std::string& name) const {
    return dir_.path() + "/" + name;
  }
  void Commit(uint32_t stage, uint64_t step) {
    const absl::Status put = store_->PutCommit(
        {.stage = stage,
         .step = step,
         .tokens = 10,
         .tokens_compared = 7,
         .metrics_line = absl::StrCat("line ", stage, ".", step)},
        1);
    ASSERT_TRUE(put.ok()) << put;
  }
  void Execute(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(Path("coordinator.db").c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  int Number(const std::string& sql) {
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(Path("coordinator.db").c_str(), &db), SQLITE_OK);
    sqlite3_stmt* get = nullptr;
    sqlite3_prepare_v2(db, sql.c_str(), -1, &get, nullptr);
    EXPECT_EQ(sqlite3_step(get), SQLITE_ROW);
    const int number = sqlite3_column_int(get, 0);
    sqlite3_finalize(get);
    sqlite3_close(db);
    return number;
  }
  // What metrics.jsonl holds after a match up to (stage, step).
  std::string Match(uint32_t stage, uint64_t step) {
    const absl::Status matched =
        writer_->MatchMetrics([&](const run::TakeLine& take) {
          return store_->EachMetricsLine(stage, step, take);
        });
    EXPECT_TRUE(matched.ok()) << matched;
    std::ifstream file(Path("metrics.jsonl"));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void Write(const std::string& text) {
    std::ofstream(Path("metrics.jsonl")) << text;
  }

  TempDir dir_;
  const std::unique_ptr<run::RunWriter> writer_ =
      *run::RunWriter::Open(dir_.path());
  std::unique_ptr<StateStore> store_;
};

TEST_F(StateStoreTest, CommitsAreFoundAndSummedUpWhereTheyAre) {
  EXPECT_EQ((*store_->FindCommit(0, 1))->metrics_line, "line 0.1");
  EXPECT_FALSE(store_->FindCommit(1, 0)->has_value());
  EXPECT_EQ((*store_->LastCommitBefore(0, 2))->step, 1u);
  EXPECT_FALSE(store_->LastCommitBefore(0, 0)->has_value());
  EXPECT_EQ(store_->TotalsBefore(0, 0)->steps, 0u);
  EXPECT_EQ(store_->TotalsBefore(0, 2)->tokens, 20u);
  EXPECT_EQ(store_->TotalsBefore(3, 0)->steps, 4u);
  EXPECT_EQ(store_->TotalsBefore(3, 0)->tokens_compared, 28u);
}

TEST_F(StateStoreTest, TheSchemaVersionIsStoredWhenTheFileIsCreated) {
  EXPECT_EQ(Number("PRAGMA user_version"), StateStore::kSchemaVersion);
  EXPECT_TRUE(StateStore::Open(Path("coordinator.db")).ok()) << "again";
}

TEST_F(StateStoreTest, ANewerSchemaIsRefusedInOneLineThatSaysWhatToDo) {
  store_.reset();
  Execute("PRAGMA user_version = 2");
  const absl::Status refused =
      StateStore::Open(Path("coordinator.db")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(refused.message(),
            absl::StrCat(Path("coordinator.db"),
                         ": has schema version 2, this program supports "
                         "version 1; use the version of Aha that wrote it, or "
                         "choose another run directory"));
  EXPECT_EQ(Number("PRAGMA user_version"), 2) << "it is left as it was";
}

TEST_F(StateStoreTest, AFileFromBeforeThereWereVersionsIsRefused) {
  store_.reset();
  Execute("PRAGMA user_version = 0");
  const absl::Status refused =
      StateStore::Open(Path("coordinator.db")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("has schema version 0 (it was written before versions "
                        "were kept), this program supports version 1"));
}

TEST_F(StateStoreTest, ADataSetIsReadBackAsItWasRecorded) {
  const DatasetRecord record{.stage = 4,
                             .prompts = 5,
                             .completions = 20,
                             .tokens = 300,
                             .reward_sum = 0.1 + 0.2,
                             .bytes = 4000,
                             .checksum = HashBytes("x", 1)};
  ASSERT_TRUE(store_->PutDataset(record, 1).ok());
  const auto datasets = store_->Datasets();
  ASSERT_EQ(datasets->size(), 1u);
  EXPECT_EQ((*datasets)[0].prompts, 5u);
  EXPECT_EQ((*datasets)[0].completions, 20u);
  EXPECT_EQ((*datasets)[0].tokens, 300u);
  EXPECT_EQ((*datasets)[0].reward_sum, 0.1 + 0.2);
  EXPECT_EQ((*datasets)[0].bytes, 4000u);
  EXPECT_EQ((*datasets)[0].checksum, HashBytes("x", 1));
  EXPECT_FALSE((*datasets)[0].done);
}

TEST_F(StateStoreTest, ADataSetWithoutAGroupIsNoResult) {
  ASSERT_TRUE(store_->Clear().ok());
  ASSERT_TRUE(store_->PutDataset({.stage = 0}, 1).ok());
  EXPECT_FALSE(*store_->HasResults());
  ASSERT_TRUE(store_->PutDataset({.stage = 0, .prompts = 1}, 1).ok());
  EXPECT_TRUE(*store_->HasResults());
}

TEST_F(StateStoreTest, ADamagedRowIsNamedByItsTableStageAndStep) {
  Execute("UPDATE commits SET chain = 'xyz' WHERE step = 1");
  const absl::Status status = store_->FindCommit(0, 1).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(
      std::string(status.message()),
      HasSubstr("coordinator.db: table commits, stage 0 step 1: chain: "));
  ASSERT_TRUE(store_->PutCheckpoint({.stage = 2, .next_step = 5}, 1).ok());
  Execute("UPDATE checkpoints SET weights = NULL");
  EXPECT_THAT(std::string(store_->Checkpoints().status().message()),
              HasSubstr("table checkpoints, stage 2 next_step 5: weights: "));
}

TEST_F(StateStoreTest, TheMetricsFileComesToHoldTheCommitsBeforeAPosition) {
  EXPECT_EQ(Match(0, 2), "line 0.0\nline 0.1\n");
  EXPECT_EQ(Match(1, 0), "line 0.0\nline 0.1\nline 0.2\n");
  EXPECT_EQ(Match(3, 0), "line 0.0\nline 0.1\nline 0.2\nline 2.0\n");
  EXPECT_EQ(Match(0, 1), "line 0.0\n");
  Write("line 0.0\nline 0.x\nline 0.2\nline 2.0\n");
  EXPECT_EQ(Match(3, 0), "line 0.0\nline 0.1\nline 0.2\nline 2.0\n");
  Write("line 0.0\nline 0");  // A crash while it was appended.
  EXPECT_EQ(Match(0, 3), "line 0.0\nline 0.1\nline 0.2\n");
  EXPECT_EQ(Match(0, 0), "");
}

// It was once written again at every start, so a long run's start was slow.
TEST_F(StateStoreTest, AMetricsFileThatIsRightIsNotWritten) {
  Match(3, 0);
  const auto before = std::filesystem::last_write_time(Path("metrics.jsonl")) -
                      std::chrono::hours(1);
  std::filesystem::last_write_time(Path("metrics.jsonl"), before);
  Match(3, 0);
  EXPECT_EQ(std::filesystem::last_write_time(Path("metrics.jsonl")), before);
}

TEST_F(StateStoreTest, LinesOfAnyLengthAreCompared) {
  std::string all;
  for (uint64_t step = 0; step < 5; ++step) {
    const std::string line((1 << 20) - 1 + step, static_cast<char>('a' + step));
    ASSERT_TRUE(
        store_->PutCommit({.stage = 3, .step = step, .metrics_line = line}, 1)
            .ok());
    all += line + "\n";
  }
  EXPECT_TRUE(absl::EndsWith(Match(4, 0), all));
  EXPECT_TRUE(absl::EndsWith(Match(4, 0), all));
}

}  // namespace
}  // namespace aha::coordinator
