// A whole tiny job over real gRPC: a scripted learner and a scripted actor.
#include "coordinator/app.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "aha/v1/admin.grpc.pb.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/status.h"
#include "cluster/member.h"
#include "coordinator/run_claim.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/file/job.h"
#include "nlohmann/json.hpp"
#include "rpc/client.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Coordinator = v1::Coordinator::Stub;

constexpr char kJob[] = R"(
name: tiny
model:
  architecture: {}
rewards: [{type: accuracy}]
stages:
  - name: grpo
    type: grpo
    grpo: {steps: 3, prompts_per_step: 2, num_generations: 2}
  - name: after
    type: eval
    eval: {prompts: 2}
  - name: answers
    type: sample
    sample: {prompts: 3, num_generations: 2}
)";

AppOptions Options(const std::string& directory) {
  AppOptions options;
  options.job = *ParseJob(kJob, "test");
  options.run_directory = directory;
  return options;
}

// A member that speaks to the coordinator; each method is one RPC.
class Caller {
 public:
  Caller(const std::string& address, v1::Role role)
      : client_(*rpc::Client::New({.address = address})) {
    v1::RegisterRequest request;
    request.set_role(role);
    request.set_name(absl::StrCat(RoleName(role), "-0"));
    request.set_incarnation("x");
    if (role != v1::ROLE_ACTOR) request.set_address("127.0.0.1:9");
    request.mutable_certificate()->set_digest("same");
    const absl::Status status = Call(&Coordinator::Register, request, &joined_);
    EXPECT_TRUE(status.ok()) << status;
  }

  template <class Method, class Request, class Response>
  absl::Status Call(Method method, const Request& request, Response* response) {
    return client_->Call(method, request, response);
  }
  template <class Request>
  Request Make() const {
    Request request;
    request.set_member_id(joined_.member_id());
    request.set_epoch(joined_.epoch());
    return request;
  }
  rpc::Client& client() { return *client_; }
  uint64_t epoch() const { return joined_.epoch(); }
  uint64_t id() const { return joined_.member_id(); }
  void Leave() {
    v1::LeaveResponse response;
    EXPECT_TRUE(
        Call(&Coordinator::Leave, Make<v1::LeaveRequest>(), &response).ok());
  }

 private:
  std::unique_ptr<rpc::Client> client_;
  v1::RegisterResponse joined_;
};

absl::Status Publish(Caller& learner, WeightsId id,
                     v1::WeightsEncoding encoding = v1::WEIGHTS_ENCODING_FULL) {
  const std::string bytes = WeightsOf(id);
  v1::PublishResponse response;
  const auto stream =
      learner.client().Open(&v1::Weights::Stub::Publish, &response);
  v1::WeightsChunk chunk;
  *chunk.mutable_id() = id.ToProto();
  chunk.set_encoding(encoding);
  chunk.set_epoch(learner.epoch());
  chunk.set_member_id(learner.id());
  chunk.set_total_bytes(bytes.size());
  chunk.set_checksum(HashOf(bytes).ToBytes());
  for (size_t at = 0; at < bytes.size(); at += 4) {
    chunk.set_offset(at);
    chunk.set_data(bytes.substr(at, 4));
    chunk.set_data_hash(Hash64(chunk.data().data(), chunk.data().size()));
    if (!stream->Write(chunk).ok()) break;
  }
  (void)stream->WritesDone();
  return stream->Finish();
}

std::string Fetch(Caller& actor, WeightsId id) {
  v1::FetchRequest request;
  *request.mutable_id() = id.ToProto();
  const auto stream = actor.client().Open(&v1::Weights::Stub::Fetch, request);
  std::string bytes;
  v1::WeightsChunk chunk;
  for (auto more = stream->Read(&chunk); more.ok() && *more;
       more = stream->Read(&chunk)) {
    bytes += chunk.data();
  }
  return bytes;
}

// Runs stages until the directive STOP; the first error ends it.
absl::Status Learn(const std::string& address) {
  Caller learner(address, v1::ROLE_LEARNER);
  while (true) {
    auto ask = learner.Make<v1::NextStageRequest>();
    ask.set_wait_ms(10'000);
    v1::NextStageResponse next;
    AHA_RETURN_IF_ERROR(learner.Call(&Coordinator::NextStage, ask, &next));
    if (next.directive() == v1::DIRECTIVE_STOP) break;
    if (!next.stage_ready()) continue;
    AHA_RETURN_IF_ERROR(Publish(learner, {next.stage(), next.first_step()}));
    for (uint64_t step = 0; next.stage() == 0 && step < 3; ++step) {
      auto begin = learner.Make<v1::BeginStepRequest>();
      begin.set_step(step);
      begin.set_wait_ms(10'000);
      v1::BeginStepResponse go;
      AHA_RETURN_IF_ERROR(learner.Call(&Coordinator::BeginStep, begin, &go));
      AHA_RETURN_IF_ERROR(Publish(learner, {0, step + 1}));
      auto commit = learner.Make<v1::CommitStepRequest>();
      commit.set_step(step);
      commit.set_weights_checksum(HashOf(WeightsOf({0, step + 1})).ToBytes());
      commit.set_chain(ChainAfter(0, step).ToBytes());
      commit.add_slots(0);
      commit.add_slots(1);
      commit.set_stage_done(step == 2);
      v1::CommitStepResponse done;
      AHA_RETURN_IF_ERROR(
          learner.Call(&Coordinator::CommitStep, commit, &done));
      AHA_RETURN_IF_ERROR(
          learner.Call(&Coordinator::CommitStep, commit, &done));
    }
  }
  learner.Leave();
  return absl::OkStatus();
}

absl::Status ActOn(const v1::Lease& lease, Caller& actor) {
  const v1::GroupContext& group = lease.group();
  const WeightsId policy{group.policy().stage(), group.policy().version()};
  // The scripted learner waits for no groups: a grpo version may be gone.
  const std::string weights = Fetch(actor, policy);
  EXPECT_TRUE(weights == WeightsOf(policy) ||
              (weights.empty() && group.key().stage() == 0));
  if (group.key().stage() > 0) {
    v1::DeliverRequest deliver;
    *deliver.mutable_group() = Scored(group, group.key().slot());
    v1::DeliverResponse done;
    AHA_RETURN_IF_ERROR(
        actor.client().Call(&v1::GroupSink::Stub::Deliver, deliver, &done));
  }
  auto complete = actor.Make<v1::CompleteLeaseRequest>();
  complete.set_lease_id(lease.lease_id());
  *complete.mutable_key() = group.key();
  v1::CompleteLeaseResponse completed;
  return actor.Call(&Coordinator::CompleteLease, complete, &completed);
}

absl::Status Act(const std::string& address, std::atomic<int>& sampled) {
  Caller actor(address, v1::ROLE_ACTOR);
  while (true) {
    auto ask = actor.Make<v1::LeaseGroupsRequest>();
    ask.set_max_groups(1);
    ask.set_wait_ms(10'000);
    v1::LeaseGroupsResponse leased;
    AHA_RETURN_IF_ERROR(actor.Call(&Coordinator::LeaseGroups, ask, &leased));
    if (leased.directive() == v1::DIRECTIVE_STOP) break;
    for (const v1::Lease& lease : leased.leases()) {
      AHA_RETURN_IF_ERROR(ActOn(lease, actor));
      ++sampled;
    }
  }
  actor.Leave();
  return absl::OkStatus();
}

TEST(AppTest, AWholeJobRunsOverGrpc) {
  TempDir dir;
  auto app = App::Start(Options(dir.path()));
  ASSERT_TRUE(app.ok()) << app.status();
  const std::string address = (*app)->address();
  auto watcher = *rpc::Client::New({.address = address});
  const auto watch = watcher->Open(&v1::Admin::Stub::WatchJob, {});

  auto reward = std::make_unique<Caller>(address, v1::ROLE_REWARD);
  std::atomic<int> sampled = 0;
  absl::Status learned, acted;
  std::thread learner([&] { learned = Learn(address); });
  std::thread actor([&] { acted = Act(address, sampled); });
  learner.join();
  actor.join();
  EXPECT_TRUE(learned.ok()) << learned;
  EXPECT_TRUE(acted.ok()) << acted;

  v1::JobStatus status;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = watch->Read(&status);
  EXPECT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(status.state(), v1::JOB_STATE_SUCCEEDED) << status.DebugString();
  reward->Leave();
  (*app)->Wait();
  app->reset();

  std::ifstream file(dir.path() + "/summary.json");
  const auto summary = nlohmann::json::parse(file);
  EXPECT_EQ(summary["checksum"], ChainAfter(0, 2).Hex());
  EXPECT_EQ(summary["eval"]["after"]["pass_at_1"], 0.5);
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/endpoint.json"));
  EXPECT_EQ(summary["stages"][2]["dataset"]["completions"], 6);
  const std::string answers =
      *ReadWholeFile(dir.path() + "/datasets/answers.jsonl");
  EXPECT_EQ(std::count(answers.begin(), answers.end(), '\n'), 6);
  // Members that left at the end are not reported as lost.
  EXPECT_THAT(*ReadWholeFile(dir.path() + "/events.jsonl"),
              AllOf(HasSubstr("\"event\":\"left\""),
                    Not(HasSubstr("\"event\":\"lost\""))));
}

TEST(AppTest, WeightsInAnEncodingThatCannotBeReadAreRefusedNamingTheSender) {
  TempDir dir;
  auto app = App::Start(Options(dir.path()));
  ASSERT_TRUE(app.ok()) << app.status();
  Caller learner((*app)->address(), v1::ROLE_LEARNER);
  const absl::Status refused =
      Publish(learner, {0, 0}, v1::WEIGHTS_ENCODING_DELTA);
  EXPECT_TRUE(absl::IsUnimplemented(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(absl::StrCat(
                  "weights 0.0 from member ", learner.id(),
                  ": encoding must be FULL and without a base, is DELTA")));
}

// The death of a process closes its connections; here a client's end does.
TEST(AppTest, AMemberIsReplacedAtOnceOnlyIfItsConnectionEnded) {
  TempDir dir;
  auto app = App::Start(Options(dir.path()));
  ASSERT_TRUE(app.ok()) << app.status();
  const auto join = [&](absl::Duration limit) {
    auto member = *rpc::Member::New({.role = v1::ROLE_ACTOR,
                                     .name = "actor-7",
                                     .coordinator = (*app)->address()});
    const absl::Status joined = member->Join(limit);
    return joined.ok() ? std::move(member) : nullptr;
  };
  std::unique_ptr<rpc::Member> first = join(absl::Seconds(30));
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(join(absl::Seconds(1)), nullptr) << "the first one lives";
  first.reset();  // Like a crash: it sends nothing.
  // Without a connection it would take 3 s of silence.
  EXPECT_NE(join(absl::Milliseconds(2500)), nullptr);
}

// An actor has nothing to sample before a learner comes, so its poll lasts for
// as long as it may: 10 s.
TEST(AppTest, StopEndsLongPollsAndWatchesAtOnce) {
  TempDir dir;
  auto app = App::Start(Options(dir.path()));
  ASSERT_TRUE(app.ok()) << app.status();
  Caller actor((*app)->address(), v1::ROLE_ACTOR);
  auto admin = *rpc::Client::New({.address = (*app)->address()});
  const auto watch = admin->Open(&v1::Admin::Stub::WatchJob, {});
  v1::JobStatus shown;
  ASSERT_TRUE(*watch->Read(&shown));
  EXPECT_EQ(shown.state(), v1::JOB_STATE_PENDING);

  const Clock clock = MonotonicClock();
  const absl::Time begin = clock();
  v1::LeaseGroupsResponse answer;
  absl::Status polled;
  std::thread poll([&] {
    auto ask = actor.Make<v1::LeaseGroupsRequest>();
    ask.set_max_groups(1);
    ask.set_wait_ms(10'000);
    polled = actor.Call(&Coordinator::LeaseGroups, ask, &answer);
  });
  v1::JobStatus stopped;
  const absl::Status asked =
      admin->Call(&v1::Admin::Stub::StopJob, {}, &stopped);
  EXPECT_TRUE(asked.ok()) << asked;
  EXPECT_EQ(stopped.state(), v1::JOB_STATE_STOPPED);
  poll.join();
  EXPECT_TRUE(polled.ok()) << polled;
  EXPECT_EQ(answer.directive(), v1::DIRECTIVE_STOP);
  EXPECT_LT(clock() - begin, absl::Seconds(10)) << "its time was over";
  // A watch has no time of its own: it would last for ever.
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) more = watch->Read(&shown);
  EXPECT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(shown.state(), v1::JOB_STATE_STOPPED);
}

TEST(AppTest, ARunDirectoryBelongsToOneJobAndOneCoordinator) {
  TempDir dir;
  {
    auto app = App::Start(Options(dir.path()));
    ASSERT_TRUE(app.ok()) << app.status();
    AppOptions second = Options(dir.path());
    second.resume = true;
    EXPECT_THAT(std::string(App::Start(second).status().message()),
                HasSubstr("another coordinator"));
  }
  // While nothing was done in it, it may be started again from the beginning.
  EXPECT_TRUE(App::Start(Options(dir.path())).ok());
  const auto store = StateStore::Open(dir.path() + "/coordinator.db");
  ASSERT_TRUE((*store)->PutCommit(CommitRecord{}, 1).ok());
  const absl::Status again = App::Start(Options(dir.path())).status();
  EXPECT_EQ(rpc::ExitCode(again), rpc::kExitRefused);
  EXPECT_THAT(std::string(again.message()), HasSubstr("--resume"));

  AppOptions other = Options(dir.path());
  other.resume = true;
  other.job.set_seed(99);
  EXPECT_THAT(std::string(App::Start(other).status().message()),
              HasSubstr("another job"));

  AppOptions resumed = Options(dir.path());
  resumed.resume = true;
  EXPECT_TRUE(App::Start(resumed).ok());
}

TEST(AppTest, AResumeWithoutTheDatabaseDoesNotBeginAgainOverTheCheckpoints) {
  TempDir dir;
  AppOptions options = Options(dir.path());
  options.resume = true;
  ASSERT_TRUE(App::Start(options).ok()) << "of a run that has nothing yet";
  std::filesystem::create_directories(dir.path() + "/checkpoints/step-3");
  EXPECT_TRUE(App::Start(options).ok()) << "its checkpoints";
  std::filesystem::resize_file(dir.path() + "/coordinator.db", 0);
  for (const char* more : {"-wal", "-shm"}) {
    std::filesystem::remove(dir.path() + "/coordinator.db" + more);
  }
  const absl::Status emptied = App::Start(options).status();
  EXPECT_EQ(rpc::ExitCode(emptied), rpc::kExitRefused);
  EXPECT_THAT(std::string(emptied.message()),
              HasSubstr("coordinator.db is new or was emptied"));
}

TEST(AppTest, ADamagedDatabaseIsRefusedNamingItAndNoRestartHelps) {
  TempDir dir;
  AppOptions options = Options(dir.path());
  options.resume = true;
  const std::string database = dir.path() + "/coordinator.db";
  {
    ASSERT_TRUE(App::Start(options).ok());
    const auto store = StateStore::Open(database);
    ASSERT_TRUE((*store)->PutEval({.stage = 9}, 1).ok());
  }
  const absl::Status row = App::Start(options).status();
  EXPECT_EQ(rpc::ExitCode(row), rpc::kExitRefused) << row;
  EXPECT_THAT(
      std::string(row.message()),
      AllOf(HasSubstr(dir.path()),
            HasSubstr("coordinator.db: table evals, stage 9: the job has no")));
  std::ofstream(dir.path() + "/summary.json") << "{}";
  std::ofstream(database) << std::string(9000, 'x');
  for (const absl::Status& status :
       {App::Start(options).status(), HasSucceeded(dir.path()).status()}) {
    EXPECT_EQ(rpc::ExitCode(status), rpc::kExitRefused) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(dir.path()), HasSubstr("not a database")));
  }
}

TEST(AppTest, ADatabaseOfANewerSchemaIsRefusedAndNoRestartHelps) {
  TempDir dir;
  const std::string database = dir.path() + "/coordinator.db";
  { ASSERT_TRUE(App::Start(Options(dir.path())).ok()); }
  {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(database.c_str(), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA user_version = 9", nullptr, nullptr, nullptr);
    sqlite3_close(db);
  }
  const absl::Status refused = App::Start(Options(dir.path())).status();
  EXPECT_EQ(rpc::ExitCode(refused), rpc::kExitRefused) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("coordinator.db: has schema version 9"),
                    HasSubstr("supports version 1"), Not(HasSubstr("\n"))));
}

TEST(AppTest, AResumeWithAnEditedPromptFileIsRefusedNamingIt) {
  TempDir dir;
  const std::string prompts = dir.path() + "/prompts.jsonl";
  const auto write = [&](const std::string& answer) {
    std::ofstream file(prompts);
    for (int i = 0; i < 8; ++i) {
      file << absl::StrCat("{\"prompt\": \"", i, "\", \"answer\": \"", answer,
                           "\"}\n");
    }
  };
  AppOptions options = Options(dir.path() + "/run");
  options.job.mutable_prompts()->clear_generated();
  options.job.mutable_prompts()->set_file(prompts);
  write("1");
  {
    auto app = App::Start(options);
    ASSERT_TRUE(app.ok()) << app.status();
  }
  // Nothing was done: the file may still change.
  write("2");
  EXPECT_TRUE(App::Start(options).ok());
  const auto store =
      StateStore::Open(options.run_directory + "/coordinator.db");
  ASSERT_TRUE((*store)->PutCommit(CommitRecord{}, 1).ok());
  options.resume = true;
  EXPECT_TRUE(App::Start(options).ok());
  write("3");
  const absl::Status edited = App::Start(options).status();
  EXPECT_EQ(rpc::ExitCode(edited), rpc::kExitRefused);
  EXPECT_THAT(std::string(edited.message()),
              HasSubstr("prompts.file: this run began with a file of"));
}

TEST(AppTest, WeightsAreStreamedFromAnyOffsetAndOnlyIfVisible) {
  TempDir dir;
  auto app = App::Start(Options(dir.path()));
  ASSERT_TRUE(app.ok()) << app.status();
  Caller learner((*app)->address(), v1::ROLE_LEARNER);
  auto ask = learner.Make<v1::NextStageRequest>();
  v1::NextStageResponse next;
  ASSERT_TRUE(learner.Call(&Coordinator::NextStage, ask, &next).ok());
  EXPECT_EQ(Fetch(learner, {0, 0}), "");
  ASSERT_TRUE(Publish(learner, {0, 0}).ok());
  EXPECT_EQ(Fetch(learner, {0, 0}), WeightsOf({0, 0}));
  EXPECT_EQ(Publish(learner, {0, 7}).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace aha::coordinator
