// A learner rank against a fake coordinator, from its start to its end.
#include "learner/learner.h"

#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/time/clock.h"
#include "base/file_io.h"
#include "comm/local.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/learner/fake_cluster.h"
#include "tests/learner/fixture.h"
#include "tests/temp_dir.h"

namespace aha::learner {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using StepKey = FakeCluster::StepKey;

// Runs the loops of all ranks until they end; returns their statuses.
std::vector<absl::Status> RunLoops(const v1::Job& job, const ModelSetup& setup,
                                   const std::string& run, int ranks,
                                   FakeCluster& cluster) {
  auto group = comm::NewLocalRanks(ranks, absl::Seconds(60));
  EXPECT_TRUE(group.ok());
  std::vector<absl::Status> statuses(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadPool pool(1);
      Learner learner(
          {.rank = static_cast<uint32_t>(rank),
           .job = job,
           .run_directory = run,
           .clock = MonotonicClock(),
           .sleep = absl::SleepFor},
          {.setup = &setup,
           .context = ops::CpuContext{&pool},
           .cluster = &cluster.ForRank(rank),
           .buffer = &cluster.buffer(rank),
           .connect = [&, rank](const v1::NextStageResponse&)
               -> absl::StatusOr<std::unique_ptr<comm::Communicator>> {
             if (ranks == 1) return comm::NewSingle();
             return std::move((*group)[static_cast<size_t>(rank)]);
           }});
      statuses[static_cast<size_t>(rank)] = learner.Run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return statuses;
}

class LearnerTest : public testing::TestWithParam<int> {
 protected:
  LearnerTest() {
    job_.mutable_stages(kGrpoStage)->mutable_grpo()->set_lag(GetParam());
    setup_ = MakeSetup(job_);
  }

  std::vector<absl::Status> Run(FakeCluster& cluster, int ranks = 1) {
    return RunLoops(job_, setup_, run_.path(), ranks, cluster);
  }

  // The checksum of an undisturbed run.
  Hash128 Undisturbed() {
    const TempDir run{Memory()};
    FakeCluster cluster(job_, &setup_, 1);
    EXPECT_THAT(RunLoops(job_, setup_, run.path(), 1, cluster),
                ElementsAre(absl::OkStatus()));
    EXPECT_TRUE(cluster.finished());
    EXPECT_NE(cluster.chain(), Hash128{});
    return cluster.chain();
  }

  const TempDir run_{Memory()};
  v1::Job job_ = TinyJob();
  ModelSetup setup_;
};

TEST_P(LearnerTest, RunsAJobOfThreeStagesToItsEnd) {
  FakeCluster cluster(job_, &setup_, 1);
  EXPECT_THAT(Run(cluster), ElementsAre(absl::OkStatus()));
  EXPECT_TRUE(cluster.finished());
  EXPECT_THAT(cluster.reports(), IsEmpty());
  EXPECT_THAT(
      cluster.commits(),
      ElementsAre(StepKey(0, 0), StepKey(0, 1), StepKey(0, 2), StepKey(0, 3),
                  StepKey(2, 0), StepKey(2, 1), StepKey(2, 2), StepKey(2, 3)));
  EXPECT_THAT(
      cluster.checkpoints(),
      ElementsAre("checkpoints/pretrain-step-000002",
                  "checkpoints/pretrain-step-000004", "checkpoints/step-000002",
                  "checkpoints/step-000004"));
  EXPECT_THAT(
      cluster.published(),
      ElementsAre(StepKey(0, 0), StepKey(1, 0), StepKey(2, 0), StepKey(2, 1),
                  StepKey(2, 2), StepKey(2, 3), StepKey(2, 4)));
  const auto lines =
      ReadWholeFile(run_.path() + "/rollouts/step-000003.jsonl", 1 << 20);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_EQ(std::count(lines->begin(), lines->end(), '\n'), 4 * 3);
}

TEST_P(LearnerTest, TwoRanksGiveTheChecksumOfOne) {
  FakeCluster cluster(job_, &setup_, 2);
  EXPECT_THAT(Run(cluster, 2), ElementsAre(absl::OkStatus(), absl::OkStatus()));
  EXPECT_EQ(cluster.chain(), Undisturbed());
}

TEST_P(LearnerTest, ContinuedOnAnotherNumberOfRanksItGivesTheSameChecksum) {
  FakeCluster cluster(job_, &setup_, 2);
  cluster.stop_at = StepKey(0, 3);
  Run(cluster, 2);
  cluster.Continue(3);
  cluster.stop_at = StepKey(2, 1);
  Run(cluster, 3);
  cluster.Continue(1);
  EXPECT_THAT(Run(cluster, 1), ElementsAre(absl::OkStatus()));
  EXPECT_TRUE(cluster.finished());
  EXPECT_EQ(cluster.chain(), Undisturbed());
  EXPECT_THAT(cluster.reports(), IsEmpty());
}

TEST_P(LearnerTest, StoppedAndContinuedItGivesTheSameChecksum) {
  for (const StepKey& stop :
       {StepKey(0, 3), StepKey(2, 0), StepKey(2, 1), StepKey(2, 3)}) {
    const TempDir run{Memory()};
    FakeCluster cluster(job_, &setup_, 1);
    cluster.stop_at = stop;
    RunLoops(job_, setup_, run.path(), 1, cluster);
    EXPECT_FALSE(cluster.finished());
    cluster.Continue();
    RunLoops(job_, setup_, run.path(), 1, cluster);
    EXPECT_TRUE(cluster.finished());
    EXPECT_EQ(cluster.chain(), Undisturbed());
    EXPECT_THAT(cluster.reports(), IsEmpty());
  }
}

TEST_P(LearnerTest, AfterALostCommitTheJobContinuesFromTheCheckpoint) {
  for (const StepKey& lost :
       {StepKey(0, 0), StepKey(0, 3), StepKey(2, 1), StepKey(2, 3)}) {
    const TempDir run{Memory()};
    FakeCluster cluster(job_, &setup_, 1);
    cluster.lose_commit = lost;
    RunLoops(job_, setup_, run.path(), 1, cluster);
    EXPECT_TRUE(cluster.finished());
    EXPECT_EQ(cluster.chain(), Undisturbed());
  }
}

TEST_P(LearnerTest, MissingGroupsFailTheJobAndAreNamed) {
  job_.mutable_cluster()->set_wait_seconds(0.05);
  FakeCluster cluster(job_, &setup_, 1);
  cluster.withhold_groups = true;
  const std::vector<absl::Status> statuses = Run(cluster);
  EXPECT_TRUE(absl::IsDeadlineExceeded(statuses[0])) << statuses[0];
  EXPECT_THAT(cluster.reports(),
              ElementsAre(testing::AllOf(
                  StartsWith("fatal: "), HasSubstr("step 0: rank 0 waited "),
                  HasSubstr("for the groups of slots 0, 1, 2, 3; nothing "
                            "moved for 50ms"))));
}

TEST_P(LearnerTest, ADifferingBitFailsTheJobBeforeItIsCommitted) {
  FakeCluster cluster(job_, &setup_, 1);
  cluster.tamper = [](v1::ScoredGroup& group) {
    if (group.context().key().step() != 1) return;
    group.mutable_trajectories(0)
        ->mutable_trajectory()
        ->mutable_logprobs()
        ->front() ^= 1;
  };
  EXPECT_TRUE(absl::IsDataLoss(Run(cluster)[0]));
  EXPECT_EQ(cluster.commits().back(), StepKey(2, 0));
  EXPECT_THAT(cluster.reports(),
              ElementsAre(HasSubstr("log-probabilities differ")));
}

TEST_P(LearnerTest, WeightsThatAreNotFiniteAreNeitherCommittedNorSaved) {
  for (const char* dtype : {"fp32", "bf16"}) {
    job_.mutable_model()->set_dtype(dtype);
    job_.mutable_stages(kSftStage)
        ->mutable_sft()
        ->mutable_optimizer()
        ->set_learning_rate(1e300);
    job_.mutable_checkpoint()->set_every_steps(1);
    setup_ = MakeSetup(job_);
    FakeCluster cluster(job_, &setup_, 1);
    const absl::Status status = Run(cluster)[0];
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << dtype << status;
    EXPECT_THAT(cluster.commits(), IsEmpty()) << dtype;
    EXPECT_THAT(cluster.checkpoints(), IsEmpty()) << dtype;
    EXPECT_THAT(
        cluster.reports(),
        ElementsAre(AllOf(StartsWith("fatal: "), HasSubstr("step 0: "),
                          HasSubstr("those of model.embed_tokens.weight did"),
                          HasSubstr("learning_rate 1e+300"))));
  }
}

TEST_P(LearnerTest, AFullDiskCostsCheckpointsNotTraining) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &full);
  FakeCluster cluster(job_, &setup_, 1);
  const std::vector<absl::Status> statuses = Run(cluster);
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(statuses, ElementsAre(absl::OkStatus()));
  EXPECT_TRUE(cluster.finished());
  EXPECT_THAT(cluster.checkpoints(), IsEmpty());
  EXPECT_THAT(cluster.reports(),
              Contains(HasSubstr("note: no checkpoint at step 2")));
  EXPECT_EQ(cluster.chain(), Undisturbed());
}

TEST_P(LearnerTest, ABrokenCheckpointIsRefusedLoudly) {
  FakeCluster cluster(job_, &setup_, 1);
  cluster.stop_at = StepKey(2, 1);
  Run(cluster);
  const std::string model =
      run_.path() + "/checkpoints/step-000001/model/model.safetensors";
  std::filesystem::resize_file(model, std::filesystem::file_size(model) - 1);
  cluster.Continue();
  EXPECT_TRUE(absl::IsDataLoss(Run(cluster)[0]));
  EXPECT_THAT(cluster.reports(), ElementsAre(HasSubstr(model)));
}

TEST_P(LearnerTest, StopEndsALearnerThatWaits) {
  job_.mutable_cluster()->set_wait_seconds(3600);
  FakeCluster cluster(job_, &setup_, 1);
  cluster.withhold_groups = true;
  ThreadPool pool(1);
  Learner* running = nullptr;
  LearnerGauges gauges;
  gauges.waited = [&](const std::string& what, absl::Duration) {
    // It is about to wait for groups that never come.
    if (what == "begin_step" && cluster.commits().size() == 4) {
      std::thread([&] { running->Stop(); }).join();
    }
  };
  Learner learner({.rank = 0,
                   .job = job_,
                   .run_directory = run_.path(),
                   .clock = MonotonicClock(),
                   .sleep = absl::SleepFor},
                  {.setup = &setup_,
                   .context = ops::CpuContext{&pool},
                   .cluster = &cluster.ForRank(0),
                   .buffer = &cluster.buffer(0),
                   .connect = [](const v1::NextStageResponse&)
                       -> absl::StatusOr<std::unique_ptr<comm::Communicator>> {
                     return comm::NewSingle();
                   },
                   .gauges = gauges});
  running = &learner;
  EXPECT_TRUE(learner.Run().ok());
  EXPECT_THAT(cluster.checkpoints(),
              Contains("checkpoints/pretrain-step-000004"));
}

TEST(LearnerStopTest, RanksThatAreStoppedTogetherSaveWhatIsNew) {
  const v1::Job job = TinyJob();
  const ModelSetup setup = MakeSetup(job);
  const TempDir run;
  FakeCluster cluster(job, &setup, 2);
  auto ranks = comm::NewLocalRanks(2, absl::Minutes(1));
  ASSERT_TRUE(ranks.ok());
  std::vector<std::unique_ptr<ThreadPool>> pools;
  std::vector<std::unique_ptr<Learner>> learners;
  for (int rank = 0; rank < 2; ++rank) {
    LearnerGauges gauges;
    if (rank == 0) {
      gauges.step_done = [&](const StepResult&) {
        for (const auto& learner : learners) learner->Stop();
      };
    }
    pools.push_back(std::make_unique<ThreadPool>(1));
    learners.push_back(std::make_unique<Learner>(
        LearnerOptions{.rank = static_cast<uint32_t>(rank),
                       .job = job,
                       .run_directory = run.path(),
                       .clock = MonotonicClock(),
                       .sleep = absl::SleepFor},
        LearnerParts{
            .setup = &setup,
            .context = ops::CpuContext{pools.back().get()},
            .cluster = &cluster.ForRank(rank),
            .buffer = &cluster.buffer(rank),
            .connect = [&, rank](const v1::NextStageResponse&)
                -> absl::StatusOr<std::unique_ptr<comm::Communicator>> {
              return std::move((*ranks)[static_cast<size_t>(rank)]);
            },
            .gauges = gauges}));
  }
  std::thread other([&] { EXPECT_TRUE(learners[1]->Run().ok()); });
  EXPECT_TRUE(learners[0]->Run().ok());
  other.join();
  EXPECT_THAT(cluster.commits(), ElementsAre(StepKey(0, 0)));
  EXPECT_THAT(cluster.checkpoints(),
              ElementsAre("checkpoints/pretrain-step-000001"));
  EXPECT_TRUE(LoadCheckpoint(run.path() + "/checkpoints/pretrain-step-000001",
                             job, setup, {.rank = 2, .ranks = 3})
                  .ok());
}

TEST(LearnerStopTest, ARankThatHangsDoesNotKeepAnotherFromStopping) {
  const v1::Job job = TinyJob();
  const ModelSetup setup = MakeSetup(job);
  const TempDir run;
  FakeCluster cluster(job, &setup, 2);
  auto group = comm::NewLocalRanks(2, absl::Minutes(10));
  ASSERT_TRUE(group.ok());
  const comm::Communicator& comm = *(*group)[0];
  ThreadPool pool(1);
  Learner learner({.rank = 0,
                   .job = job,
                   .run_directory = run.path(),
                   .clock = MonotonicClock(),
                   .sleep = absl::SleepFor,
                   .stop_patience = absl::Milliseconds(10)},
                  {.setup = &setup,
                   .context = ops::CpuContext{&pool},
                   .cluster = &cluster.ForRank(0),
                   .buffer = &cluster.buffer(0),
                   .connect = [&](const v1::NextStageResponse&)
                       -> absl::StatusOr<std::unique_ptr<comm::Communicator>> {
                     return std::move((*group)[0]);
                   },
                   .gauges = {}});
  std::atomic<bool> ended = false;
  std::thread loop([&] {
    EXPECT_TRUE(learner.Run().ok());
    ended = true;
  });
  // Rank 1 lives, as the coordinator sees it, but never comes.
  while (comm.waiting() == absl::ZeroDuration()) std::this_thread::yield();
  learner.Stop();
  while (!ended) {
    learner.OnLivingLearners({{0, "127.0.0.1:1"}, {1, "127.0.0.1:2"}});
    absl::SleepFor(absl::Milliseconds(1));
  }
  loop.join();
}

// The job of one stage that does not train.
class PublishingTest : public testing::TestWithParam<const char*> {
 protected:
  PublishingTest() {
    job_.clear_stages();
    job_.add_stages()->set_name("only");
    job_.mutable_stages(0)->set_type(GetParam());
    setup_ = MakeSetup(job_);
  }

  v1::Job job_ = TinyJob();
  ModelSetup setup_;
  const TempDir run_{Memory()};
};

TEST_P(PublishingTest, AJobMayConsistOfOneStageThatIsOnlyPublishedFor) {
  FakeCluster cluster(job_, &setup_, 1);
  EXPECT_THAT(RunLoops(job_, setup_, run_.path(), 1, cluster),
              ElementsAre(absl::OkStatus()));
  EXPECT_TRUE(cluster.finished());
  EXPECT_THAT(cluster.published(), ElementsAre(StepKey(0, 0)));
  EXPECT_THAT(cluster.commits(), IsEmpty());
  EXPECT_THAT(cluster.checkpoints(), IsEmpty());
  EXPECT_THAT(cluster.reports(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Kinds, PublishingTest,
                         testing::Values("eval", "sample"));

INSTANTIATE_TEST_SUITE_P(Lags, LearnerTest, testing::Values(0, 1));

}  // namespace
}  // namespace aha::learner
