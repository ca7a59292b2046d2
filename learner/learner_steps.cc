// How a learner trains the steps of a stage with its rank set.
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"
#include "learner/learner_internal.h"

namespace aha::learner {
namespace {

using Go = v1::BeginStepResponse;
// What rank 0 broadcasts instead of the coordinator's answer:
constexpr char kAskAgain = 'A';      // Ask the coordinator for a stage again.
constexpr char kSaveAndLeave = 'S';  // Save a checkpoint, then the same.
// Before rank 0 announces the next step it may publish, commit, write a
// checkpoint, report it and ask, each with retries for cluster.wait_seconds.
// If rank 0 is lost, OnLivingLearners ends the wait.
constexpr int kWaitsOfRankZero = 10;

}  // namespace

absl::Status Learner::PublishStart(const Stage& stage, uint64_t first_step) {
  // With lag 1 step n is sampled with version n - 1.
  if (const Parameters* previous = state_->previous_weights();
      previous != nullptr && first_step > 0 && stage.lag() > 0) {
    AHA_RETURN_IF_ERROR(cluster_.Publish({stage.index(), first_step - 1},
                                         *previous,
                                         WeightsChecksum(*previous)));
  }
  return cluster_.Publish({stage.index(), first_step}, state_->weights(),
                          position_->weights_checksum);
}

char Learner::AskForStep(uint32_t stage, uint64_t step, absl::Status* error) {
  if (stopping_) return kSaveAndLeave;
  const absl::StatusOr<Go::Go> answer = cluster_.BeginStep(stage, step);
  if (answer.ok()) return static_cast<char>(*answer);
  if (stopping_) return kSaveAndLeave;
  *error = answer.status();
  return kAskAgain;
}

absl::StatusOr<v1::BeginStepResponse::Go> Learner::AgreeOnStep(uint32_t stage,
                                                               uint64_t step) {
  const absl::Duration timeout =
      options_.rank == 0
          ? absl::ZeroDuration()
          : kWaitsOfRankZero *
                absl::Seconds(options_.job.cluster().wait_seconds());
  while (true) {
    absl::Status error;
    std::string word;
    {
      SetAwaitsStep(true);
      const absl::Cleanup done = [&] { SetAwaitsStep(false); };
      if (options_.rank == 0) word = AskForStep(stage, step, &error);
      AHA_ASSIGN_OR_RETURN(word,
                           comm_->Broadcast("begin step", 0, word, timeout));
    }
    AHA_RETURN_IF_ERROR(error);
    if (word.size() != 1 || word[0] == kAskAgain) return VoidStep();
    if (word[0] == kSaveAndLeave) {
      AHA_RETURN_IF_ERROR(SaveCheckpoint());
      return VoidStep();
    }
    // Rank 0 continues without this rank.
    if (stopping_ && options_.rank != 0) return VoidStep();
    if (word[0] != static_cast<char>(Go::WAIT)) {
      return static_cast<Go::Go>(word[0]);
    }
  }
}

void Learner::SetAwaitsStep(bool awaits) {
  MutexLock lock(mutex_);
  awaits_step_ = awaits;
}

absl::Status Learner::RunSteps(Stage& stage, uint64_t first_step) {
  const uint64_t every =
      static_cast<uint64_t>(options_.job.checkpoint().every_steps());
  for (uint64_t step = first_step; step < stage.steps(); ++step) {
    AHA_ASSIGN_OR_RETURN(
        const Go::Go go,
        Waiting("begin_step", absl::StrCat("permission for step ", step),
                [&] { return AgreeOnStep(stage.index(), step); }));
    if (go == Go::STOP_AFTER_CHECKPOINT) {
      return SaveCheckpoint();
    }
    AHA_RETURN_IF_ERROR(DoStep(stage, step));
    const bool due = (step + 1) % every == 0 || step + 1 == stage.steps();
    if (due) AHA_RETURN_IF_ERROR(SaveCheckpoint());
  }
  return absl::OkStatus();
}

absl::Status Learner::CheckExactness(const StepResult& result) {
  if (result.tokens_differing == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      result.tokens_differing, " of ", result.tokens_compared,
      " log-probabilities differ between actor and learner; first: ",
      result.first_difference));
}

absl::Status Learner::DoStep(Stage& stage, uint64_t step) {
  const absl::Time start = options_.clock();
  std::vector<const v1::ScoredGroup*> groups;
  if (stage.is_grpo()) {
    const absl::Duration limit =
        absl::Seconds(options_.job.cluster().wait_seconds());
    // If another rank was lost, the job went back and no groups arrive.
    const auto progress = [&] {
      return cluster_.Progress(stage.index(), step);
    };
    AHA_ASSIGN_OR_RETURN(
        groups, Waiting("groups", absl::StrCat("groups of step ", step),
                        [&] { return buffer_.Await(limit, progress); }));
  }
  const absl::Time begin = options_.clock();
  const Position before = *position_;
  const absl::Duration collectives = comm_->time_spent();
  position_.reset();  // Until the step is complete the state is no version.
  AHA_ASSIGN_OR_RETURN(StepResult result,
                       stage.Step(step, groups, before.chain, *comm_));
  AHA_RETURN_IF_ERROR(CheckExactness(result));
  position_ = Position{
      .stage = stage.index(),
      .next_step = step + 1,
      .stage_done = step + 1 == stage.steps(),
      .chain = result.chain,
      .weights_checksum = result.weights_checksum,
      .num_tokens = before.num_tokens + static_cast<uint64_t>(result.tokens)};
  if (stage.is_grpo()) buffer_.Advance(step + 1);
  if (gauges_.collectives) {
    gauges_.collectives(comm_->time_spent() - collectives);
  }
  result.metrics["num_tokens"] = static_cast<double>(position_->num_tokens);
  result.metrics["time/wait_for_groups"] = absl::ToDoubleSeconds(begin - start);
  result.metrics["time/train"] =
      absl::ToDoubleSeconds(options_.clock() - begin);
  if (options_.rank == 0) {
    AHA_RETURN_IF_ERROR(Commit(stage, step, start, result));
  }
  if (gauges_.step_done) gauges_.step_done(result);
  if (gauges_.version) gauges_.version(step + 1);
  return absl::OkStatus();
}

absl::Status Learner::Commit(const Stage& stage, uint64_t step,
                             absl::Time start, StepResult& result) {
  const absl::Time begin = options_.clock();
  if (stage.is_grpo()) {
    WriteRollouts(stage, step, result.rollouts);
    AHA_RETURN_IF_ERROR(cluster_.Publish(
        {stage.index(), step + 1}, state_->weights(), result.weights_checksum));
  }
  const absl::Time now = options_.clock();
  result.metrics["time/publish"] = absl::ToDoubleSeconds(now - begin);
  result.metrics["step_time"] = absl::ToDoubleSeconds(now - start);
  v1::CommitStepRequest request;
  request.set_stage(stage.index());
  request.set_step(step);
  request.set_weights_checksum(result.weights_checksum.ToBytes());
  request.set_chain(result.chain.ToBytes());
  request.mutable_metrics()->insert(result.metrics.begin(),
                                    result.metrics.end());
  request.mutable_slots()->Assign(result.slots.begin(), result.slots.end());
  request.set_stage_done(step + 1 == stage.steps());
  request.set_tokens_compared(result.tokens_compared);
  request.set_tokens_differing(result.tokens_differing);
  return cluster_.CommitStep(std::move(request));
}

void Learner::WriteRollouts(const Stage& stage, uint64_t step,
                            const std::string& lines) {
  const std::string directory = options_.run_directory + "/rollouts";
  std::error_code ignored;
  std::filesystem::create_directories(directory, ignored);
  const std::string path = absl::StrCat(
      directory, "/", StepName(options_.job, stage.index(), step), ".jsonl");
  const absl::Status status = ReplaceFile(path, lines);
  if (status.ok()) return;
  AHA_LOG(kWarning) << status << "; training goes on";
  cluster_.Report(false, absl::StrCat(status.message(),
                                      "; training goes on without the "
                                      "rollouts of this step"));
}

}  // namespace aha::learner
