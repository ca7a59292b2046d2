// What rank 0 sends, from the field to the record.
#include "coordinator/commit_request.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "run/metrics.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

// Step 1 of 3, of two groups of two.
v1::CommitStepRequest GoodCommit() {
  v1::CommitStepRequest request;
  request.set_stage(0);
  request.set_step(1);
  request.set_weights_checksum(HashOf("w").ToBytes());
  request.set_chain(HashOf("c").ToBytes());
  request.add_slots(0);
  request.add_slots(1);
  request.set_tokens_compared(40);
  request.set_tokens_differing(2);
  (*request.mutable_metrics())["kl"] = 0.5;
  (*request.mutable_metrics())["completions/mean_length"] = 10.25;
  return request;
}

class ReadCommitTest : public ::testing::Test {
 protected:
  std::string Refusal(const v1::CommitStepRequest& request) const {
    const absl::Status status = ReadCommit(request, plan_, kNow).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }
  const JobPlan plan_ = MakePlan(TinyJob());
  v1::CommitStepRequest request_ = GoodCommit();
};

TEST_F(ReadCommitTest, EveryFieldComesIntoTheRecord) {
  const auto commit = ReadCommit(request_, plan_, kNow);
  ASSERT_TRUE(commit.ok()) << commit.status();
  EXPECT_EQ(commit->stage, 0u);
  EXPECT_EQ(commit->step, 1u);
  EXPECT_EQ(commit->weights, HashOf("w"));
  EXPECT_EQ(commit->chain, HashOf("c"));
  EXPECT_EQ(commit->groups, 2u);
  EXPECT_EQ(commit->tokens, 41u) << "10.25 tokens in each of 4 completions";
  EXPECT_EQ(commit->tokens_compared, 40u);
  EXPECT_EQ(commit->tokens_differing, 2u);
  const run::StepMetrics line = run::ParseMetricsLine(commit->metrics_line);
  EXPECT_EQ(line.stage, "grpo");
  EXPECT_EQ(line.step, 1u);
  EXPECT_EQ(line.job_step, 1u);
  EXPECT_EQ(line.time, 1800000000);
  EXPECT_EQ(line.policy_version, 2u);
  EXPECT_EQ(line.weights_checksum, HashOf("w").Hex());
  EXPECT_EQ(line.Numbers().at("kl"), 0.5);
}

TEST_F(ReadCommitTest, TheStepOfTheJobCountsOnThroughTheStagesThatTrain) {
  v1::Job job = TinyJob();
  *job.add_stages() = job.stages(0);
  job.mutable_stages(job.stages_size() - 1)->set_name("again");
  const JobPlan plan = MakePlan(job);
  const uint32_t last = static_cast<uint32_t>(plan.stages.size()) - 1;
  request_.set_stage(last);
  const auto commit = ReadCommit(request_, plan, kNow);
  ASSERT_TRUE(commit.ok()) << commit.status();
  const run::StepMetrics line = run::ParseMetricsLine(commit->metrics_line);
  EXPECT_EQ(line.step, 1u);
  EXPECT_EQ(line.job_step, plan.stages[0].steps + 1);
}

TEST_F(ReadCommitTest, OnlyAStageThatTrainsHasSteps) {
  for (const uint32_t stage : {1u, 2u, ~0u}) {
    request_.set_stage(stage);
    EXPECT_EQ(Refusal(request_),
              absl::StrCat("stage: ", stage, " is not a stage that trains"));
  }
}

TEST_F(ReadCommitTest, ChecksumsHaveTheirSize) {
  for (const size_t size : {0, 15, 17, 32}) {
    v1::CommitStepRequest request = request_;
    request.set_weights_checksum(std::string(size, 'x'));
    EXPECT_THAT(Refusal(request), StartsWith("weights_checksum: "));
    request = request_;
    request.set_chain(std::string(size, 'x'));
    EXPECT_THAT(Refusal(request), StartsWith("chain: "));
  }
}

TEST_F(ReadCommitTest, SlotsAreAllSlotsInOrder) {
  const auto refused = [&](std::initializer_list<uint32_t> slots) {
    request_.clear_slots();
    for (const uint32_t slot : slots) request_.add_slots(slot);
    return Refusal(request_);
  };
  EXPECT_THAT(refused({}), HasSubstr("must be 0 to 1 in order for a step of "
                                     "grpo, got [] (0 of them)"));
  EXPECT_THAT(refused({0}), HasSubstr("got [0] (1 of them)"));
  EXPECT_THAT(refused({1, 0}), HasSubstr("got [1 0]"));
  EXPECT_THAT(refused({0, 0}), HasSubstr("got [0 0]"));
  EXPECT_THAT(refused({0, 2}), HasSubstr("got [0 2]"));
  EXPECT_THAT(refused({0, 1, 2}), HasSubstr("(3 of them)"));
  // A hostile list is not repeated whole.
  request_.clear_slots();
  for (uint32_t slot = 0; slot < 100'000; ++slot) request_.add_slots(slot);
  EXPECT_LT(Refusal(request_).size(), 200u);
}

TEST_F(ReadCommitTest, TheLastStepAloneEndsTheStage) {
  request_.set_stage_done(true);
  EXPECT_THAT(Refusal(request_), StartsWith("stage_done: "));
  request_.set_step(2);
  EXPECT_TRUE(ReadCommit(request_, plan_, kNow).ok());
  request_.set_stage_done(false);
  EXPECT_THAT(Refusal(request_), HasSubstr("step 2 of 3"));
}

// The mean comes from a learner: no value of it makes the count of tokens
// nonsense.
TEST_F(ReadCommitTest, AMeanLengthThatCannotBeCountsNoTokens) {
  auto& mean = (*request_.mutable_metrics())["completions/mean_length"];
  for (const double length :
       {-1.0, -1e300, std::nan(""), std::numeric_limits<double>::infinity()}) {
    mean = length;
    EXPECT_EQ(ReadCommit(request_, plan_, kNow)->tokens, 0u) << length;
  }
  mean = 1e300;
  EXPECT_LE(ReadCommit(request_, plan_, kNow)->tokens, uint64_t{1} << 62);
  request_.mutable_metrics()->clear();
  EXPECT_EQ(ReadCommit(request_, plan_, kNow)->tokens, 0u);
}

v1::CommitCheckpointRequest GoodCheckpoint() {
  v1::CommitCheckpointRequest request;
  request.set_stage(1);
  request.set_next_step(3);
  request.set_directory("checkpoints/step-000003");
  request.set_weights_checksum(HashOf("w").ToBytes());
  request.set_chain(HashOf("c").ToBytes());
  request.set_stage_done(true);
  return request;
}

TEST(ReadCheckpointTest, EveryFieldComesIntoTheRecord) {
  const auto record = ReadCheckpoint(GoodCheckpoint());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->stage, 1u);
  EXPECT_EQ(record->next_step, 3u);
  EXPECT_EQ(record->directory, "checkpoints/step-000003");
  EXPECT_EQ(record->weights, HashOf("w"));
  EXPECT_EQ(record->chain, HashOf("c"));
  EXPECT_TRUE(record->stage_done);
}

TEST(ReadCheckpointTest, TheDirectoryStaysInsideTheRun) {
  v1::CommitCheckpointRequest request = GoodCheckpoint();
  for (const char* outside : {"", "/", "/etc", "..", "../x", "a/../../b",
                              "a/..", "checkpoints/../x"}) {
    request.set_directory(outside);
    const absl::Status status = ReadCheckpoint(request).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << outside;
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith("directory: must "), HasSubstr("got '")));
  }
  for (const char* inside : {"a", "a/b", "a..b/..c", "...", "a//b"}) {
    request.set_directory(inside);
    EXPECT_TRUE(ReadCheckpoint(request).ok()) << inside;
  }
}

TEST(ReadCheckpointTest, ChecksumsHaveTheirSize) {
  v1::CommitCheckpointRequest request = GoodCheckpoint();
  request.set_weights_checksum("short");
  EXPECT_THAT(std::string(ReadCheckpoint(request).status().message()),
              StartsWith("weights_checksum: "));
  request = GoodCheckpoint();
  request.set_chain("");
  EXPECT_THAT(std::string(ReadCheckpoint(request).status().message()),
              StartsWith("chain: "));
}

}  // namespace
}  // namespace aha::coordinator
