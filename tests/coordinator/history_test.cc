// What was committed and where the job stands, without a controller.
#include "coordinator/history.h"

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class HistoryTest : public ::testing::Test {
 protected:
  // Three steps of grpo, then an eval, then three steps more.
  HistoryTest() {
    v1::Job job = TinyJob();
    *job.add_stages() = job.stages(0);
    job.mutable_stages(2)->set_name("more");
    plan_ = MakePlan(job);
    store_ = *StateStore::Open(dir_ / "coordinator.db");
    Load();
  }
  // Reads the store, as a process after a crash does.
  void Load() {
    auto history = History::Load(&plan_, store_.get());
    ASSERT_TRUE(history.ok()) << history.status();
    history_ = std::make_unique<History>(*std::move(history));
  }
  static CommitRecord CommitOf(uint32_t stage, uint64_t step,
                               const std::string& salt = "") {
    return {.stage = stage,
            .step = step,
            .weights = HashOf(absl::StrCat("w", stage, step, salt)),
            .chain = ChainAfter(stage, step),
            .groups = 2,
            .tokens = 10,
            .tokens_compared = 8,
            .metrics_line = absl::StrCat("{\"stage\": \"s\", \"step\": ", step,
                                         ", \"kl\": ", step, "}")};
  }
  absl::StatusOr<History::Committed> Commit(uint32_t stage, uint64_t step,
                                            const std::string& salt = "") {
    return history_->Commit(CommitOf(stage, step, salt), 1);
  }
  static CheckpointRecord CheckpointOf(uint32_t stage, uint64_t next_step,
                                       bool done = false) {
    return {.stage = stage,
            .next_step = next_step,
            .directory = absl::StrCat("checkpoints/step-", stage, next_step),
            .weights = HashOf("w"),
            .chain = ChainAfter(stage, next_step - 1),
            .stage_done = done};
  }
  std::string At() const {
    return absl::StrCat(history_->position().stage, "/",
                        history_->position().step);
  }

  TempDir dir_;
  JobPlan plan_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<History> history_;
};

TEST_F(HistoryTest, ANewJobStandsAtItsStart) {
  EXPECT_EQ(history_->position(), Position{});
  EXPECT_TRUE(history_->CheckpointFits()) << "the job's model is there";
  EXPECT_FALSE(history_->checkpoint().has_value());
  EXPECT_THAT(history_->checkpoints(), IsEmpty());
  EXPECT_THAT(history_->latest_metrics(0), IsEmpty());
}

TEST_F(HistoryTest, ACommitMovesThePositionAndAddsUp) {
  EXPECT_EQ(*Commit(0, 0), History::Committed::kNew);
  EXPECT_EQ(*Commit(0, 1), History::Committed::kNew);
  EXPECT_EQ(At(), "0/2");
  EXPECT_EQ(history_->position().chain, ChainAfter(0, 1));
  EXPECT_EQ(history_->position().weights, CommitOf(0, 1).weights);
  EXPECT_EQ(history_->totals().steps, 2u);
  EXPECT_EQ(history_->totals().tokens, 20u);
  EXPECT_EQ(history_->totals().tokens_compared, 16u);
  EXPECT_THAT(history_->latest_metrics(0), Contains(Pair("kl", 1)));
  EXPECT_THAT(history_->latest_metrics(1), IsEmpty());
  EXPECT_FALSE(history_->CheckpointFits()) << "no checkpoint has these steps";
}

TEST_F(HistoryTest, ARepeatedCommitChangesNothing) {
  ASSERT_TRUE(Commit(0, 0).ok());
  ASSERT_TRUE(Commit(0, 1).ok());
  EXPECT_EQ(*Commit(0, 0), History::Committed::kAgain);
  EXPECT_EQ(At(), "0/2");
  EXPECT_EQ(history_->totals().steps, 2u);
  EXPECT_EQ(history_->position().chain, ChainAfter(0, 1));
}

TEST_F(HistoryTest, OnlyTheNextStepCanBeCommitted) {
  ASSERT_TRUE(Commit(0, 0).ok());
  for (const auto& [stage, step] :
       {std::pair(0, 2), std::pair(1, 0), std::pair(2, 1)}) {
    const absl::Status status = Commit(stage, step).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("is not the next one, which is stage 0 step 1"));
  }
  EXPECT_EQ(At(), "0/1");
}

TEST_F(HistoryTest, AStepThatIsComputedAgainMustGiveTheSameBits) {
  ASSERT_TRUE(Commit(0, 0).ok());
  ASSERT_TRUE(history_->GoBack(std::nullopt).ok());
  EXPECT_EQ(At(), "0/0");
  EXPECT_EQ(history_->totals().steps, 0u);
  const absl::Status other = Commit(0, 0, "other").status();
  EXPECT_TRUE(absl::IsDataLoss(other)) << other;
  EXPECT_THAT(std::string(other.message()),
              HasSubstr(CommitOf(0, 0).weights.Hex()));
  EXPECT_THAT(std::string(other.message()),
              HasSubstr(CommitOf(0, 0, "other").weights.Hex()));
  EXPECT_EQ(At(), "0/0");
  EXPECT_EQ(*Commit(0, 0), History::Committed::kRecomputed);
  EXPECT_EQ(At(), "0/1");
}

TEST_F(HistoryTest, TheSameIsRequiredByTheProcessThatFollows) {
  ASSERT_TRUE(Commit(0, 0).ok());
  Load();
  EXPECT_EQ(At(), "0/0") << "only a checkpoint leads beyond the start";
  EXPECT_TRUE(absl::IsDataLoss(Commit(0, 0, "other").status()));
  EXPECT_EQ(*Commit(0, 0), History::Committed::kRecomputed);
}

TEST_F(HistoryTest, ACheckpointFitsWhereItLeadsToThePosition) {
  ASSERT_TRUE(Commit(0, 0).ok());
  ASSERT_TRUE(history_->AddCheckpoint(CheckpointOf(0, 1), 1).ok());
  EXPECT_TRUE(history_->CheckpointFits());
  ASSERT_TRUE(Commit(0, 1).ok());
  EXPECT_FALSE(history_->CheckpointFits());
}

TEST_F(HistoryTest, GoingBackRestoresWhatWasKnownThere) {
  for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Commit(0, step).ok());
  ASSERT_TRUE(history_->GoBack(CheckpointOf(0, 2)).ok());
  EXPECT_EQ(At(), "0/2");
  EXPECT_EQ(history_->position().chain, ChainAfter(0, 1));
  EXPECT_EQ(history_->totals().steps, 2u);
  EXPECT_EQ(history_->totals().tokens, 20u);
  EXPECT_THAT(history_->latest_metrics(0), Contains(Pair("kl", 1)));
  EXPECT_TRUE(history_->CheckpointFits());
}

TEST_F(HistoryTest, ACheckpointOfTheLastStepLeadsToTheNextStage) {
  for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Commit(0, step).ok());
  ASSERT_TRUE(history_->GoBack(CheckpointOf(0, 3, /*done=*/true)).ok());
  EXPECT_EQ(At(), "1/0");
  EXPECT_EQ(history_->totals().steps, 3u);
  EXPECT_THAT(history_->latest_metrics(0), Contains(Pair("kl", 2)));
}

TEST_F(HistoryTest, AnEvaluationThatIsRecordedIsPassedBy) {
  for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Commit(0, step).ok());
  ASSERT_TRUE(history_->AddEval({.stage = 1, .prompts = 2}, 1).ok());
  history_->Advance();
  EXPECT_EQ(At(), "2/0");
  ASSERT_TRUE(history_->GoBack(CheckpointOf(0, 3, /*done=*/true)).ok());
  EXPECT_EQ(At(), "2/0");
  Load();
  EXPECT_EQ(history_->evals().at(1).prompts, 2u);
  ASSERT_TRUE(history_->GoBack(CheckpointOf(0, 3, /*done=*/true)).ok());
  EXPECT_EQ(At(), "2/0");
}

TEST_F(HistoryTest, CheckpointsStandInTheOrderOfTheirSteps) {
  for (const auto& [stage, step] :
       {std::pair(0, 2), std::pair(2, 1), std::pair(0, 1), std::pair(0, 3)}) {
    ASSERT_TRUE(history_->AddCheckpoint(CheckpointOf(stage, step), 1).ok());
  }
  // A step that was computed again may be saved again, elsewhere.
  CheckpointRecord again = CheckpointOf(0, 2);
  again.directory = "checkpoints/again";
  ASSERT_TRUE(history_->AddCheckpoint(again, 1).ok());
  const auto directories = [this] {
    std::vector<std::string> names;
    for (const CheckpointRecord& one : history_->checkpoints()) {
      names.push_back(one.directory.substr(sizeof("checkpoints/") - 1));
    }
    return names;
  };
  EXPECT_THAT(directories(),
              ElementsAre("step-01", "again", "step-03", "step-21"));
  EXPECT_EQ(history_->checkpoint()->directory, "checkpoints/again");
  Load();
  EXPECT_THAT(directories(),
              ElementsAre("step-01", "again", "step-03", "step-21"));
}

TEST_F(HistoryTest, TheWeightsOfAVersionAreThoseOfTheStepBeforeIt) {
  ASSERT_TRUE(Commit(0, 0).ok());
  EXPECT_EQ(**history_->KnownWeights(0, 1), CommitOf(0, 0).weights);
  EXPECT_FALSE(history_->KnownWeights(0, 0)->has_value())
      << "no step made the first version";
  EXPECT_FALSE(history_->KnownWeights(0, 2)->has_value());
  EXPECT_FALSE(history_->KnownWeights(1, 1)->has_value());
  ASSERT_TRUE(history_->GoBack(std::nullopt).ok());
  EXPECT_EQ(**history_->KnownWeights(0, 1), CommitOf(0, 0).weights)
      << "what is known stays known";
}

TEST_F(HistoryTest, ADataSetIsReplacedByWhatFollowsIt) {
  ASSERT_TRUE(history_->PutDataset({.stage = 1, .prompts = 1}, 1).ok());
  ASSERT_TRUE(history_->PutDataset({.stage = 1, .prompts = 2}, 1).ok());
  Load();
  EXPECT_EQ(history_->datasets().at(1).prompts, 2u);
  EXPECT_EQ(history_->datasets().size(), 1u);
}

// A database whose records are of another job, or were damaged, would lead the
// job to a stage that it does not have, or past its end.
TEST_F(HistoryTest, RecordsThatDoNotFitThePlanAreDataLoss) {
  const auto refusal = [this] {
    const absl::Status status = History::Load(&plan_, store_.get()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_TRUE(store_->Clear().ok());
    return std::string(status.message());
  };
  for (const uint32_t stage : {0u, 3u, 99u}) {
    ASSERT_TRUE(store_->PutEval({.stage = stage, .prompts = 1}, 0).ok());
    EXPECT_THAT(refusal(),
                HasSubstr(absl::StrCat("table evals, stage ", stage, ": ")));
    ASSERT_TRUE(store_->PutDataset({.stage = stage}, 0).ok());
    EXPECT_THAT(refusal(),
                HasSubstr(absl::StrCat("table datasets, stage ", stage, ": ")));
  }
  for (const auto& [stage, step] :
       {std::pair(1, 0), std::pair(3, 0), std::pair(99, 1), std::pair(0, 4)}) {
    ASSERT_TRUE(store_->PutCheckpoint(CheckpointOf(stage, step), 0).ok());
    EXPECT_THAT(refusal(), HasSubstr(absl::StrCat("table checkpoints, stage ",
                                                  stage, " next_step ", step)));
  }
  EXPECT_TRUE(History::Load(&plan_, store_.get()).ok());
}

TEST_F(HistoryTest, AStoreThatRefusesTheCommitLeavesThePosition) {
  ASSERT_TRUE(Commit(0, 0).ok());
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((dir_ / "coordinator.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "DROP TABLE stages", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  EXPECT_FALSE(Commit(0, 1).ok());
  EXPECT_EQ(At(), "0/1");
  EXPECT_EQ(history_->totals().steps, 1u);
  EXPECT_FALSE(store_->FindCommit(0, 1)->has_value()) << "all or nothing";
}

class ChooseCheckpointTest : public ::testing::Test {
 protected:
  // A checkpoint of one part, whose manifest says what the record says.
  CheckpointRecord Write(uint64_t next_step) {
    CheckpointRecord record{.stage = 0,
                            .next_step = next_step,
                            .directory = absl::StrCat("step-", next_step),
                            .weights = HashOf("w"),
                            .chain = ChainAfter(0, next_step)};
    const std::string directory = dir_ / record.directory;
    std::filesystem::create_directories(directory);
    dir_.Write(record.directory + "/part", "content");
    Manifest manifest;
    manifest.job = "tiny";
    manifest.stage_name = "grpo";
    manifest.next_step = next_step;
    manifest.dtype = "F32";
    manifest.weights_checksum = record.weights;
    manifest.chain = record.chain;
    manifest.parts = {*MeasurePart(directory, "part")};
    EXPECT_TRUE(WriteManifest(directory, manifest).ok());
    return record;
  }
  std::string Chosen(const std::vector<CheckpointRecord>& records) {
    const CheckpointChoice choice = ChooseCheckpoint(dir_.path(), records);
    refused_ = choice.refused;
    return choice.checkpoint.has_value() ? choice.checkpoint->directory : "";
  }

  TempDir dir_;
  std::vector<std::string> refused_;
};

TEST_F(ChooseCheckpointTest, TheNewestIsTakenIfItVerifies) {
  EXPECT_EQ(Chosen({}), "");
  EXPECT_EQ(Chosen({Write(1), Write(2)}), "step-2");
  EXPECT_THAT(refused_, IsEmpty());
}

TEST_F(ChooseCheckpointTest, OneThatDoesNotVerifyIsRefusedAloud) {
  const std::vector<CheckpointRecord> records = {Write(1), Write(2)};
  dir_.Write("step-2/part", "CONTENT");
  EXPECT_EQ(Chosen(records), "step-1");
  EXPECT_THAT(refused_, ElementsAre(HasSubstr("checkpoint step-2 refused: ")));
}

TEST_F(ChooseCheckpointTest, OneOfAnotherStepIsRefused) {
  std::vector<CheckpointRecord> records = {Write(1), Write(2)};
  records[1].chain = HashOf("another");
  EXPECT_EQ(Chosen(records), "step-1");
  EXPECT_THAT(refused_,
              ElementsAre(HasSubstr("is not the one that was committed")));
}

// Learners remove old checkpoints; the newest one they keep.
TEST_F(ChooseCheckpointTest, OnlyTheNewestIsMissed) {
  const std::vector<CheckpointRecord> records = {Write(1), Write(2), Write(3)};
  std::filesystem::remove_all(dir_ / "step-2");
  dir_.Write("step-3/manifest.json", "{}");
  EXPECT_EQ(Chosen(records), "step-1");
  EXPECT_THAT(refused_, ElementsAre(HasSubstr("step-3")));
  std::filesystem::remove_all(dir_ / "step-3");
  EXPECT_EQ(Chosen(records), "step-1");
  EXPECT_THAT(refused_, ElementsAre(HasSubstr("step-3")));
  std::filesystem::remove_all(dir_ / "step-1");
  EXPECT_EQ(Chosen(records), "") << "from the start of the job";
}

}  // namespace
}  // namespace aha::coordinator
