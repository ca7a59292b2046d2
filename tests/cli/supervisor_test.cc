#include "cli/local/supervisor.h"

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cli/fake_services.h"
#include "tests/run/full_disk.h"

namespace aha::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SupervisorTest : public ::testing::Test {
 protected:
  void Start(int actors = 1) {
    SupervisorOptions options;
    options.bin_dir = services_.bin();
    options.run_dir = services_.run_dir();
    options.job_path = "job.yaml";
    options.cpus = {{0}, actors, 1, 0, 0};
    options.with_metrics = false;
    options.restart.first_delay = restart_delay_;
    options.restart.longest_delay = restart_delay_;
    options.restart.exit_delay = absl::ZeroDuration();
    options.restart.max_ends = 2;
    options.leave_grace = absl::Seconds(5);
    options.stop_grace = stop_grace_;
    supervisor_ = std::make_unique<Supervisor>(
        options, MonotonicClock(),
        [this](absl::string_view event, absl::string_view process,
               const std::string& text) {
          events_.push_back(absl::StrCat(process, " ", event, ": ", text));
        },
        *files_);
    ASSERT_TRUE(supervisor_->Start().ok());
  }

  bool TickUntil(const std::function<bool()>& condition) {
    return FakeServices::Eventually([&] {
      supervisor_->Tick();
      return condition();
    });
  }
  bool TickUntilUp(int members) {
    return TickUntil([&] {
      return supervisor_->Processes().size() ==
             static_cast<size_t>(members) + 2;
    });
  }
  bool TickUntilDone() {
    return TickUntil(
        [&] { return supervisor_->phase() == Supervisor::Phase::kDone; });
  }
  pid_t PidOf(const std::string& name) {
    EXPECT_TRUE(TickUntil([&] { return services_.PidOf(name) != 0; }));
    return services_.PidOf(name);
  }
  std::set<std::string> WrittenNames() const {
    std::set<std::string> names;
    const auto written = run::RunReader(services_.run_dir()).ReadProcesses();
    if (!written.ok()) return names;
    for (const run::ProcessEntry& entry : *written) names.insert(entry.name);
    return names;
  }

  FakeServices services_;
  FileSystem* files_ = &RealFileSystem();
  absl::Duration stop_grace_ = absl::Seconds(5);
  absl::Duration restart_delay_ = absl::ZeroDuration();
  std::unique_ptr<Supervisor> supervisor_;
  std::vector<std::string> events_;
};

TEST_F(SupervisorTest, StartsAllProcessesAndEndsWithTheCoordinator) {
  Start(2);
  ASSERT_TRUE(TickUntilUp(4));
  EXPECT_THAT(WrittenNames(),
              UnorderedElementsAre("supervisor", "coordinator", "reward-0",
                                   "learner-0", "actor-0", "actor-1"));
  const pid_t learner = PidOf("learner-0");
  const std::string log = services_.run_dir() + "/logs/actor-0.log";
  EXPECT_TRUE(TickUntil([&] { return !LogTail(log, 1).empty(); }));
  EXPECT_THAT(LogTail(log, 5), Contains("wait policy passive"));
  supervisor_->StopAll();
  EXPECT_TRUE(TickUntilDone());
  EXPECT_FALSE(run::ProcessIsAlive(learner));
  EXPECT_FALSE(supervisor_->failure().has_value());
  EXPECT_TRUE(WrittenNames().empty());
  EXPECT_GT(supervisor_->peak_rss_bytes(), 0u);
}

TEST_F(SupervisorTest, AFullDiskEndsNoClusterAndTheProcessesAreWrittenLater) {
  FullDisk disk(0);
  files_ = &disk;
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  EXPECT_TRUE(WrittenNames().empty());
  EXPECT_EQ(supervisor_->phase(), Supervisor::Phase::kRunning);
  disk.SetRoom(1 << 20);
  supervisor_->Tick();
  EXPECT_THAT(WrittenNames(), Contains("actor-0"));
  supervisor_->KillAll();
  EXPECT_TRUE(TickUntilDone());
}

TEST_F(SupervisorTest, AKilledActorComesBackUnderItsName) {
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  const pid_t first = PidOf("actor-0");
  ::kill(first, SIGKILL);
  ASSERT_TRUE(TickUntil([&] {
    return services_.PidOf("actor-0") != first && supervisor_->restarts() == 1;
  }));
  EXPECT_THAT(events_, Contains(HasSubstr("actor-0 died: signal 9 (Killed)")));
  EXPECT_FALSE(supervisor_->failure().has_value());
}

TEST_F(SupervisorTest, AnActorThatKeepsDyingEndsTheRunUnlessStepsAreDone) {
  services_.Install("aha-actor", "#!/bin/sh\necho out of luck\nexit 3\n");
  const std::string logs = services_.run_dir() + "/logs";
  std::filesystem::create_directories(logs);
  std::ofstream(logs + "/actor-0.log") << "of an earlier run\n";
  Start();
  ASSERT_TRUE(TickUntil([&] { return supervisor_->restarts() == 1; }));
  ASSERT_TRUE(TickUntilDone());
  ASSERT_TRUE(supervisor_->failure().has_value());
  EXPECT_EQ(supervisor_->failure()->process, "actor-0");
  EXPECT_EQ(supervisor_->failure()->how, "exit code 3");
  EXPECT_THAT(supervisor_->failure()->log_tail, ElementsAre("out of luck"));
  EXPECT_EQ(supervisor_->restarts(), 2);
}

TEST_F(SupervisorTest, ALearnerComesBackHoweverItEnded) {
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  int restarts = 0;
  for (const int signal : {SIGKILL, SIGTERM}) {
    const pid_t before = PidOf("learner-0");
    ::kill(before, signal);
    ++restarts;
    ASSERT_TRUE(TickUntil([&] {
      return services_.PidOf("learner-0") != before &&
             supervisor_->restarts() == restarts;
    }));
  }
  EXPECT_THAT(events_,
              Contains(HasSubstr("learner-0 restarted: it had ended (signal 15 "
                                 "(Terminated)) while the job continues")));
  EXPECT_FALSE(supervisor_->failure().has_value());
}

TEST_F(SupervisorTest, ALearnerThatKeepsDyingEndsTheRun) {
  services_.Install("aha-learner", "#!/bin/sh\nkill -KILL $$\n");
  Start();
  ASSERT_TRUE(TickUntilDone());
  EXPECT_EQ(supervisor_->failure()->process, "learner-0");
  EXPECT_THAT(supervisor_->failure()->reason, HasSubstr("3 times"));
  EXPECT_EQ(supervisor_->restarts(), 2);
}

TEST_F(SupervisorTest, ARefusalStopsAllAndShowsItsLine) {
  services_.dir().Write("bin/refuse-actor-0", "");
  Start();
  ASSERT_TRUE(TickUntilDone());
  EXPECT_TRUE(supervisor_->failure()->refused);
  EXPECT_EQ(supervisor_->restarts(), 0);
  EXPECT_THAT(supervisor_->failure()->log_tail,
              Contains("certificate differs"));
}

TEST_F(SupervisorTest, AProcessThatIgnoresSigtermIsKilled) {
  services_.dir().Write("bin/stubborn", "");
  stop_grace_ = absl::Milliseconds(50);
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  const pid_t actor = PidOf("actor-0");
  supervisor_->StopAll();
  ASSERT_TRUE(TickUntilDone());
  EXPECT_FALSE(run::ProcessIsAlive(actor));
}

TEST_F(SupervisorTest, ActorsAreAddedAndLeaveInOrder) {
  Start();
  EXPECT_EQ(supervisor_->AddActor().status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(TickUntilUp(3));
  EXPECT_EQ(supervisor_->AddActor().value(), "actor-1");
  const auto drain = [this] {
    ::kill(PidOf("actor-0"), SIGTERM);  // Stands for it.
    return absl::OkStatus();
  };
  EXPECT_EQ(supervisor_->RemoveActor("learner-0", drain).code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(supervisor_->RemoveActor("actor-0", drain).ok());
  ASSERT_TRUE(TickUntilUp(3));
  EXPECT_EQ(WrittenNames().count("actor-0"), 0u);
  EXPECT_EQ(WrittenNames().count("actor-1"), 1u);
  EXPECT_EQ(supervisor_->restarts(), 0);
}

TEST_F(SupervisorTest, AnActorThatCouldNotBeAskedToLeaveIsStillLookedAfter) {
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  absl::Status away = absl::UnavailableError("no answer");
  EXPECT_EQ(supervisor_->RemoveActor("actor-0", [&] { return away; }), away);
  const pid_t before = PidOf("actor-0");
  ::kill(before, SIGKILL);
  EXPECT_TRUE(TickUntil([&] { return services_.PidOf("actor-0") != before; }));
  EXPECT_EQ(supervisor_->restarts(), 1);
}

TEST_F(SupervisorTest, AnActorThatWaitsForItsRestartCanBeRemoved) {
  restart_delay_ = absl::Hours(1);
  Start();
  ASSERT_TRUE(TickUntilUp(3));
  ::kill(PidOf("actor-0"), SIGKILL);
  ASSERT_TRUE(TickUntilUp(2));
  EXPECT_TRUE(
      supervisor_
          ->RemoveActor("actor-0", [] { return absl::NotFoundError("gone"); })
          .ok());
  supervisor_->Tick();
  EXPECT_EQ(supervisor_->RemoveActor("actor-0", [] { return absl::OkStatus(); })
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(SupervisorTest, AMissingProgramIsNamed) {
  std::filesystem::remove(services_.bin() + "/aha-reward");
  Start();
  ASSERT_TRUE(TickUntilDone());
  EXPECT_THAT(supervisor_->failure()->how, HasSubstr("aha-reward"));
}

TEST_F(SupervisorTest, AStaleEndpointIsNotTakenForTheNewOne) {
  services_.dir().Write("run/endpoint.json",
                        "{\"address\": \"127.0.0.1:9\", \"pid\": 1}");
  services_.Install("aha-coordinator", "#!/bin/sh\nexec sleep 600\n");
  Start();
  supervisor_->Tick();
  EXPECT_EQ(supervisor_->phase(), Supervisor::Phase::kStarting);
  EXPECT_FALSE(supervisor_->endpoint().has_value());
}

}  // namespace
}  // namespace aha::cli
