#include "learner/checkpoint.h"

#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "learner/stages/stage_work.h"
#include "tests/learner/fixture.h"
#include "tests/temp_dir.h"

namespace aha::learner {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A rank alone with its state.
struct Rank {
  explicit Rank(const v1::Job& the_job)
      : job(the_job), setup(MakeSetup(job)), comm(comm::NewSingle()) {
    state = FreshState(job, setup, &pool);
  }

  // Trains steps [position.next_step, end) of the grpo stage.
  void Train(uint64_t end) {
    const JobPlan plan = MakePlan(job);
    auto work =
        OpenStageWork({.plan = plan, .stage = kGrpoStage, .setup = setup},
                      position.next_step, state.get());
    ASSERT_TRUE(work.ok()) << work.status();
    for (; position.next_step < end; ++position.next_step) {
      Backprop& sampler =
          state->previous() != nullptr ? *state->previous() : state->current();
      const auto groups = MakeGroups(job, sampler, position.next_step, 0, 1);
      auto result = (*work)->Step(position.next_step, Pointers(groups),
                                  position.chain, *comm);
      ASSERT_TRUE(result.ok()) << result.status();
      EXPECT_EQ(result->tokens_differing, 0u) << result->first_difference;
      position.stage = kGrpoStage;
      position.chain = result->chain;
      position.weights_checksum = result->weights_checksum;
    }
  }

  absl::StatusOr<std::string> Save(const std::string& run) {
    return WriteCheckpoint(run, {job, setup, *state, position}, *comm);
  }

  absl::Status Load(const std::string& directory) {
    auto loaded = LoadCheckpoint(directory, job, setup, {});
    if (!loaded.ok()) return loaded.status();
    position = {.stage = loaded->manifest.stage,
                .next_step = loaded->manifest.next_step,
                .stage_done = loaded->manifest.stage_done,
                .chain = loaded->manifest.chain,
                .weights_checksum = loaded->manifest.weights_checksum,
                .num_tokens = loaded->manifest.num_tokens};
    return state->Restore(std::move(loaded->state));
  }

  WholeState Whole() const {
    WholeState whole(state->weights().layout().count());
    whole.AddShard(*state);
    return whole;
  }

  v1::Job job;
  ThreadPool pool{1};
  ModelSetup setup;
  std::unique_ptr<comm::Communicator> comm;
  std::unique_ptr<ModelState> state;
  TrainingPosition position;
};

// lag, beta
class ResumeTest : public testing::TestWithParam<std::tuple<int, double>> {
 protected:
  static v1::Job Job() {
    v1::Job job = TinyJob();
    v1::Grpo& grpo = *job.mutable_stages(kGrpoStage)->mutable_grpo();
    grpo.set_lag(std::get<0>(GetParam()));
    grpo.set_beta(std::get<1>(GetParam()));
    return job;
  }
};

TEST_P(ResumeTest, AResumedRunMakesTheBitsOfAnUninterruptedOne) {
  const TempDir run{Memory()};
  Rank straight(Job());
  straight.Train(4);
  Rank before(Job());
  before.Train(2);
  const auto directory = before.Save(run.path());
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ(*directory, "checkpoints/step-000002");

  Rank after(Job());
  ASSERT_TRUE(after.Load(run.path() + "/" + *directory).ok());
  EXPECT_TRUE(SameBytes(before.Whole(), after.Whole()));
  EXPECT_FALSE(SameBytes(straight.Whole(), after.Whole())) << "two steps short";
  after.Train(4);
  EXPECT_TRUE(SameBytes(straight.Whole(), after.Whole()));
  EXPECT_EQ(straight.position.chain, after.position.chain);
}

INSTANTIATE_TEST_SUITE_P(LagAndBeta, ResumeTest,
                         testing::Values(std::tuple(0, 0.0), std::tuple(1, 0.0),
                                         std::tuple(1, 0.05)));

// Trains steps [first, end) of the grpo stage on `ranks` ranks, from the
// checkpoint `from` unless it is empty, and saves a checkpoint in `run`.
struct Trained {
  WholeState whole;
  Hash128 chain;
  std::string saved;  // The checkpoint's directory.
};
Trained TrainOnRanks(const v1::Job& job, int ranks, const std::string& from,
                     uint64_t end, const std::string& run) {
  const ModelSetup setup = MakeSetup(job);
  Trained trained{.whole = WholeState(ParameterLayout(setup.config).count()),
                  .chain = {},
                  .saved = ""};
  OnRanks(ranks, [&](comm::Communicator& comm) {
    ThreadPool pool(1);
    const Sharding sharding{comm.rank(), comm.size()};
    std::unique_ptr<ModelState> state = FreshState(job, setup, &pool, sharding);
    TrainingPosition position;
    position.stage = kGrpoStage;
    if (!from.empty()) {
      auto loaded = LoadCheckpoint(from, job, setup, sharding);
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      position.next_step = loaded->manifest.next_step;
      position.chain = loaded->manifest.chain;
      ASSERT_TRUE(state->Restore(std::move(loaded->state)).ok());
    }
    const JobPlan plan = MakePlan(job);
    auto stage =
        OpenStageWork({.plan = plan, .stage = kGrpoStage, .setup = setup},
                      position.next_step, state.get());
    ASSERT_TRUE(stage.ok()) << stage.status();
    for (; position.next_step < end; ++position.next_step) {
      Backprop& sampler =
          state->previous() != nullptr ? *state->previous() : state->current();
      const auto groups = MakeGroups(job, sampler, position.next_step,
                                     comm.rank(), comm.size());
      auto result = (*stage)->Step(position.next_step, Pointers(groups),
                                   position.chain, comm);
      ASSERT_TRUE(result.ok()) << result.status();
      position.chain = result->chain;
      position.weights_checksum = result->weights_checksum;
    }
    const auto saved =
        WriteCheckpoint(run, {job, setup, *state, position}, comm);
    ASSERT_TRUE(saved.ok()) << saved.status();
    trained.whole.AddShard(*state);
    if (comm.rank() != 0) return;
    trained.chain = position.chain;
    trained.saved = run + "/" + *saved;
  });
  return trained;
}

TEST_P(ResumeTest, AnotherNumberOfRanksMakesTheSameBits) {
  for (const char* dtype : {"fp32", "bf16"}) {
    v1::Job job = Job();
    job.mutable_model()->set_dtype(dtype);
    const TempDir straight_run{Memory()};
    const Trained straight = TrainOnRanks(job, 1, "", 3, straight_run.path());
    for (const auto& [before, after] :
         {std::pair(1, 3), std::pair(2, 1), std::pair(3, 2), std::pair(2, 2)}) {
      const TempDir run{Memory()};
      const Trained half = TrainOnRanks(job, before, "", 1, run.path());
      const Trained resumed =
          TrainOnRanks(job, after, half.saved, 3, run.path());
      EXPECT_TRUE(SameBytes(resumed.whole, straight.whole))
          << dtype << " on " << before << ", then " << after;
      EXPECT_EQ(resumed.chain, straight.chain);
    }
  }
}

TEST(ShardedCheckpointTest, EveryRankHasItsFileAndAMissingOneIsRefused) {
  const v1::Job job = TinyJob();
  const TempDir run{Memory()};
  const Trained trained = TrainOnRanks(job, 3, "", 1, run.path());
  auto manifest = ReadManifest(trained.saved);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->world_size, 3u);
  std::vector<std::string> files;
  for (const ManifestPart& part : manifest->parts) {
    if (part.path.starts_with("optimizer")) files.push_back(part.path);
  }
  EXPECT_THAT(files,
              testing::ElementsAre("optimizer-00001-of-00003.safetensors",
                                   "optimizer-00002-of-00003.safetensors",
                                   "optimizer-00003-of-00003.safetensors"));
  std::erase_if(manifest->parts, [](const ManifestPart& part) {
    return part.path == "optimizer-00002-of-00003.safetensors";
  });
  ASSERT_TRUE(WriteManifest(trained.saved, *manifest).ok());
  const absl::Status status =
      LoadCheckpoint(trained.saved, job, MakeSetup(job), {}).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("elements of the optimizer's state in order, has those "
                        "up to 16384 in 2 files"));
}

TEST(ShardedCheckpointTest, ARankThatCannotWriteIsNamedAndNothingIsLeft) {
  const v1::Job job = TinyJob();
  const ModelSetup setup = MakeSetup(job);
  const TempDir run{Memory()};
  OnRanks(2, [&](comm::Communicator& comm) {
    ThreadPool pool(1);
    const auto state =
        FreshState(job, setup, &pool, {comm.rank(), comm.size()});
    TrainingPosition position;
    position.weights_checksum = WeightsChecksum(state->weights());
    // Rank 1 does not see rank 0's directory and may not make one.
    const std::string directory = comm.rank() == 0 ? run.path() : "/proc/none";
    const auto saved =
        WriteCheckpoint(directory, {job, setup, *state, position}, comm);
    EXPECT_FALSE(saved.ok());
    EXPECT_TRUE(comm.status().ok()) << comm.status();
    if (comm.rank() != 0) return;
    EXPECT_THAT(std::string(saved.status().message()),
                testing::AllOf(HasSubstr("rank 1: "), HasSubstr("/proc/none")));
  });
  EXPECT_TRUE(fs::is_empty(run.path() + "/checkpoints"));
}

class StateMemoryTest : public testing::TestWithParam<const char*> {};

TEST_P(StateMemoryTest, TheOptimizersStateShrinksWithTheNumberOfRanks) {
  v1::Job job = TinyJob();
  job.mutable_model()->set_dtype(GetParam());
  auto& architecture = *job.mutable_model()->mutable_architecture();
  architecture.set_hidden_size(128);
  architecture.set_intermediate_size(512);
  const ModelSetup setup = MakeSetup(job);
  const int64_t count = ParameterLayout(setup.config).count();
  const int64_t each = setup.dtype == DType::kBf16 ? 10 : 8;
  for (const int ranks : {1, 2, 3}) {
    int64_t sum = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      ThreadPool pool(1);
      const auto state = FreshState(job, setup, &pool, {rank, ranks});
      const StateMemory memory = state->Memory();
      EXPECT_LE(memory.optimizer, each * (count / ranks + 16384));
      EXPECT_EQ(memory.optimizer_all, each * count);
      EXPECT_EQ(memory.gradient, 8 * count);
      EXPECT_EQ(memory.weights, state->weights().bytes());
      sum += memory.optimizer;
    }
    EXPECT_EQ(sum, each * count);
  }
  EXPECT_GT(count, 10 * 16384) << "too small a model to show it";
}

INSTANTIATE_TEST_SUITE_P(DTypes, StateMemoryTest,
                         testing::Values("fp32", "bf16"));

TEST(SavedStateTest, RefusesAMasterThatDoesNotRoundToTheWeights) {
  const Rank rank(TinyJob());
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    SavedState saved;
    saved.weights = RandomParameters(rank.setup.config, 5, dtype);
    const size_t count = static_cast<size_t>(saved.weights->layout().count());
    saved.m.resize(count);
    saved.v.resize(count);
    std::vector<float> master(count);
    for (size_t i = 0; i < count; ++i) {
      master[i] =
          LoadElement(saved.weights->data(), static_cast<int64_t>(i), dtype);
    }
    EXPECT_TRUE(saved.TakeMaster(0, master).ok());
    master[7] += 1;
    const absl::Status status = saved.TakeMaster(0, master);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("at 7"));
  }
}

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    rank_.Train(1);
    const auto directory = rank_.Save(run_.path());
    ASSERT_TRUE(directory.ok()) << directory.status();
    path_ = run_.path() + "/" + *directory;
  }

  TempDir run_{Memory()};
  Rank rank_{TinyJob()};
  std::string path_;
};

TEST_F(CheckpointTest, HoldsAModelInHuggingFacesFormat) {
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json"}) {
    EXPECT_TRUE(fs::exists(path_ + "/model/" + name)) << name;
  }
  v1::Model model;
  model.set_path(path_ + "/model");
  model.set_dtype("fp32");
  const auto setup = SetUpModel(model);
  ASSERT_TRUE(setup.ok()) << setup.status();
  EXPECT_EQ(setup->config.vocab_size, rank_.setup.config.vocab_size);
  EXPECT_EQ(setup->config.eos_token_ids, rank_.setup.config.eos_token_ids);
}

TEST_F(CheckpointTest, EveryFlippedByteIsRefused) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  EXPECT_GE(files.size(), 6u);
  for (const std::string& name : files) {
    std::fstream file(name, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(name) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get());
    file.seekp(middle).put(static_cast<char>(byte ^ 1));
    file.flush();
    const absl::Status status = rank_.Load(path_);
    EXPECT_FALSE(status.ok()) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
    file.seekp(middle).put(byte);
  }
  EXPECT_TRUE(rank_.Load(path_).ok()) << "as it was written";
}

TEST_F(CheckpointTest, OfAnotherJobOrNumberFormatIsRefused) {
  v1::Job other = TinyJob();
  other.set_seed(6);
  EXPECT_THAT(
      std::string(
          LoadCheckpoint(path_, other, rank_.setup, {}).status().message()),
      HasSubstr("another job"));
  v1::Job faster = TinyJob();
  faster.mutable_cluster()->set_learners(2);
  EXPECT_TRUE(LoadCheckpoint(path_, faster, rank_.setup, {}).ok())
      << "the cluster decides no bit";
  ModelSetup bf16 = MakeSetup(TinyJob());
  bf16.dtype = DType::kBf16;
  EXPECT_THAT(
      std::string(
          LoadCheckpoint(path_, rank_.job, bf16, {}).status().message()),
      HasSubstr("F32"));
}

// Files cannot grow beyond `bytes` while this lives: what a full disk does, as
// far as a process can see.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST_F(CheckpointTest, AFullDiskCostsOnlyTheNewCheckpoint) {
  rank_.Train(2);
  for (const rlim_t room : {rlim_t{100}, rlim_t{40000}, rlim_t{150000}}) {
    const FileSizeLimit full(room);
    const auto failed = rank_.Save(run_.path());
    EXPECT_FALSE(failed.ok()) << room;
  }
  size_t entries = 0;
  for (const auto& entry :
       fs::directory_iterator(run_.path() + "/checkpoints")) {
    EXPECT_EQ(entry.path().string(), path_);
    ++entries;
  }
  EXPECT_EQ(entries, 1u);
  EXPECT_TRUE(rank_.Save(run_.path()).ok()) << "there is room again";
  EXPECT_TRUE(rank_.Load(path_).ok()) << "the old one stayed";
}

TEST_F(CheckpointTest, TheLatestAreKept) {
  for (const uint64_t step : {2, 3, 4}) {
    rank_.Train(step);
    ASSERT_TRUE(rank_.Save(run_.path()).ok());
  }
  fs::create_directories(run_.path() + "/checkpoints/.partial-step-000009");
  fs::create_directories(run_.path() + "/checkpoints/somebody-elses");
  ASSERT_TRUE(RemoveOldCheckpoints(run_.path(), 2, rank_.position).ok());
  std::vector<std::string> left;
  for (const auto& entry :
       fs::directory_iterator(run_.path() + "/checkpoints")) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre("step-000003", "step-000004",
                                                  "somebody-elses"));
}

TEST_F(CheckpointTest, WhatAnotherProcessIsWritingIsNotTouched) {
  const std::string other = run_.path() + "/checkpoints/.partial-step-000002";
  for (const char* suffix : {"", "-1234abcd"}) {
    fs::create_directories(other + suffix);
  }
  rank_.Train(2);
  ASSERT_TRUE(rank_.Save(run_.path()).ok());
  for (const char* suffix : {"", "-1234abcd"}) {
    EXPECT_TRUE(fs::exists(other + suffix)) << suffix;
  }
  RemovePartialCheckpoints(run_.path());
  for (const char* suffix : {"", "-1234abcd"}) {
    EXPECT_FALSE(fs::exists(other + suffix)) << suffix;
  }
  EXPECT_TRUE(fs::exists(run_.path() + "/checkpoints/step-000002"));
}

TEST_F(CheckpointTest, SavingTheSamePositionAgainKeepsWhatIsThere) {
  const auto written = fs::last_write_time(path_ + "/manifest.json");
  ASSERT_TRUE(rank_.Save(run_.path()).ok());
  EXPECT_EQ(fs::last_write_time(path_ + "/manifest.json"), written);
}

TEST(StepNameTest, OnlyTheOnlyGrpoStageHasThePlainName) {
  v1::Job job = TinyJob();
  EXPECT_EQ(StepNameOf(job, kSftStage, 4), "pretrain-step-000004");
  EXPECT_EQ(StepNameOf(job, kGrpoStage, 4), "step-000004");
  *job.add_stages() = job.stages(kGrpoStage);
  EXPECT_EQ(StepNameOf(job, kGrpoStage, 4), "rl-step-000004");
}

}  // namespace
}  // namespace aha::learner
