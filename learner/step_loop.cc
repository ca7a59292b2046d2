#include "learner/step_loop.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::learner {
namespace {

using Go = v1::BeginStepResponse;

// What rank 0 broadcasts instead of the coordinator's answer:
constexpr char kAskAgain = 'A';      // Ask the coordinator for a stage again.
constexpr char kSaveAndLeave = 'S';  // Save a checkpoint, then do the same.
// Before rank 0 comes to the next step it may publish, commit, write a
// checkpoint, report it and ask, each with retries for cluster.wait_seconds.
// If it is lost, OnLivingLearners ends the wait.
constexpr int kWaitsOfRankZero = 10;

GroupRules RulesOf(const JobPlan& plan, uint32_t stage,
                   const ModelConfig& config) {
  const StagePlan& numbers = plan.stages[stage];
  GroupRules rules;
  rules.stage = stage;
  rules.slots = numbers.groups;
  rules.num_generations = numbers.num_generations;
  rules.lag = numbers.lag;
  rules.steps = numbers.steps;
  rules.vocab_size = static_cast<int32_t>(config.vocab_size);
  rules.max_prompt_length = plan.job.prompts().max_prompt_length();
  rules.max_completion_length = numbers.sampling.max_completion_length();
  rules.max_sequence_length = config.context();
  rules.reward_parts = plan.job.rewards_size();
  return rules;
}

absl::Status CheckExactness(const StepResult& result) {
  if (result.tokens_differing == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      result.tokens_differing, " of ", result.tokens_compared,
      " log-probabilities differ between actor and learner; first: ",
      result.first_difference));
}

}  // namespace

absl::Status StepLoop::Run(uint32_t stage, uint64_t first_step) {
  AHA_ASSIGN_OR_RETURN(
      const std::unique_ptr<StageWork> work,
      OpenStageWork(
          {.plan = *parts_.plan, .stage = stage, .setup = *parts_.setup},
          first_step, &parts_.state->model()));
  const Stage opened{
      .index = stage, .plan = parts_.plan->stages[stage], .work = *work};
  AHA_RETURN_IF_ERROR(CheckRanksAgree(first_step));
  if (opened.consumes_groups()) {
    GroupRules rules = RulesOf(*parts_.plan, stage, parts_.setup->config);
    rules.epoch = parts_.cluster->epoch();
    rules.rank = parts_.ranks->rank();
    rules.world_size = static_cast<uint32_t>(parts_.ranks->size());
    parts_.buffer->Open(rules, first_step);
  }
  ShowMemory(opened);
  if (parts_.gauges->version) parts_.gauges->version(first_step);
  if (is_rank_zero()) AHA_RETURN_IF_ERROR(PublishStart(opened, first_step));
  return RunSteps(opened, first_step);
}

absl::Status StepLoop::CheckRanksAgree(uint64_t first_step) {
  const TrainingPosition& position = parts_.state->position();
  Hasher hasher;
  hasher.Hash(position.weights_checksum);
  hasher.Hash(position.chain);
  return CompareChecksums(hasher.Finish(), first_step, parts_.ranks->comm());
}

void StepLoop::ShowMemory(const Stage& stage) const {
  const StateMemory memory = parts_.state->model().Memory();
  const Sharding& sharding = parts_.state->model().sharding();
  const auto megabytes = [](int64_t bytes) {
    return absl::StrFormat("%.1f MB", static_cast<double>(bytes) * 1e-6);
  };
  AHA_LOG(kInfo) << "stage " << stage.index << ": rank " << sharding.rank
                 << " of " << sharding.ranks << " holds "
                 << megabytes(memory.optimizer) << " of the optimizer's state ("
                 << megabytes(memory.optimizer_all) << " on all ranks), "
                 << megabytes(memory.gradient) << " of gradient sums and "
                 << megabytes(memory.weights) << " of weights";
  if (parts_.gauges->memory) parts_.gauges->memory(memory);
}

absl::Status StepLoop::PublishStart(const Stage& stage, uint64_t first_step) {
  ModelState& model = parts_.state->model();
  // With lag 1, step n is sampled with version n - 1.
  if (const Parameters* previous = model.previous_weights();
      previous != nullptr && first_step > 0 && stage.plan.lag > 0) {
    AHA_RETURN_IF_ERROR(parts_.cluster->Publish(
        {stage.index, first_step - 1}, *previous, WeightsChecksum(*previous)));
  }
  return parts_.cluster->Publish({stage.index, first_step}, model.weights(),
                                 parts_.state->position().weights_checksum);
}

char StepLoop::DecideStep(uint32_t stage, uint64_t step, absl::Status* error) {
  if (parts_.ranks->stopping()) return kSaveAndLeave;
  const absl::StatusOr<Go::Go> answer = parts_.cluster->BeginStep(stage, step);
  if (answer.ok()) return static_cast<char>(*answer);
  if (parts_.ranks->stopping()) return kSaveAndLeave;
  *error = answer.status();
  return kAskAgain;
}

absl::StatusOr<std::string> StepLoop::ReceiveDecision(uint32_t stage,
                                                      uint64_t step) {
  const absl::Duration timeout = is_rank_zero()
                                     ? absl::ZeroDuration()
                                     : kWaitsOfRankZero * parts_.plan->wait;
  const RankSet::Scope waiting(parts_.ranks, RankSet::Activity::kNextStepWait);
  absl::Status error;
  std::string decision;
  if (is_rank_zero()) decision = DecideStep(stage, step, &error);
  AHA_ASSIGN_OR_RETURN(decision, parts_.ranks->comm().Broadcast(
                                     "begin step", 0, decision, timeout));
  AHA_RETURN_IF_ERROR(error);
  return decision;
}

absl::StatusOr<v1::BeginStepResponse::Go> StepLoop::AgreeOnStep(uint32_t stage,
                                                                uint64_t step) {
  while (true) {
    AHA_ASSIGN_OR_RETURN(const std::string decision,
                         ReceiveDecision(stage, step));
    if (decision.size() != 1 || decision[0] == kAskAgain)
      return WaitEndedFromOutside();
    if (decision[0] == kSaveAndLeave) {
      AHA_RETURN_IF_ERROR(parts_.state->SaveCheckpoint());
      return WaitEndedFromOutside();
    }
    // Rank 0 continues without this rank.
    if (parts_.ranks->stopping() && !is_rank_zero()) {
      return WaitEndedFromOutside();
    }
    if (decision[0] != static_cast<char>(Go::WAIT)) {
      return static_cast<Go::Go>(decision[0]);
    }
  }
}

absl::Status StepLoop::RunSteps(const Stage& stage, uint64_t first_step) {
  const auto every =
      static_cast<uint64_t>(parts_.plan->job.checkpoint().every_steps());
  for (uint64_t step = first_step; step < stage.plan.steps; ++step) {
    AHA_ASSIGN_OR_RETURN(
        const Go::Go go,
        parts_.waits->During("begin_step",
                             absl::StrCat("permission for step ", step),
                             [&] { return AgreeOnStep(stage.index, step); }));
    if (go == Go::STOP_AFTER_CHECKPOINT) return parts_.state->SaveCheckpoint();
    AHA_RETURN_IF_ERROR(DoStep(stage, step));
    const bool due = (step + 1) % every == 0 || step + 1 == stage.plan.steps;
    if (due) AHA_RETURN_IF_ERROR(parts_.state->SaveCheckpoint());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<const v1::ScoredGroup*>> StepLoop::AwaitGroups(
    const Stage& stage, uint64_t step) {
  // If another rank was lost, the job went back and no groups come; the
  // coordinator says so when it is asked for progress.
  const auto progress = [&] {
    return parts_.cluster->Progress(stage.index, step);
  };
  return parts_.waits->During(
      "groups", absl::StrCat("groups of step ", step),
      [&] { return parts_.buffer->Await(parts_.plan->wait, progress); });
}

absl::StatusOr<StepResult> StepLoop::Compute(
    const Stage& stage, uint64_t step,
    const std::vector<const v1::ScoredGroup*>& groups) {
  comm::Communicator& comm = parts_.ranks->comm();
  const absl::Time begin = parts_.clock();
  const absl::Duration collectives = comm.time_spent();
  const TrainingPosition before = parts_.state->BeginStep();
  AHA_ASSIGN_OR_RETURN(StepResult result,
                       stage.work.Step(step, groups, before.chain, comm));
  AHA_RETURN_IF_ERROR(CheckExactness(result));
  const uint64_t num_tokens =
      before.num_tokens + static_cast<uint64_t>(result.tokens);
  parts_.state->FinishStep({.stage = stage.index,
                            .next_step = step + 1,
                            .stage_done = step + 1 == stage.plan.steps,
                            .chain = result.chain,
                            .weights_checksum = result.weights_checksum,
                            .num_tokens = num_tokens});
  if (stage.consumes_groups()) parts_.buffer->Advance(step + 1);
  if (parts_.gauges->collectives) {
    parts_.gauges->collectives(comm.time_spent() - collectives);
  }
  result.metrics["num_tokens"] = static_cast<double>(num_tokens);
  result.metrics["time/train"] = absl::ToDoubleSeconds(parts_.clock() - begin);
  return result;
}

absl::Status StepLoop::DoStep(const Stage& stage, uint64_t step) {
  const absl::Time start = parts_.clock();
  std::vector<const v1::ScoredGroup*> groups;
  if (stage.consumes_groups()) {
    AHA_ASSIGN_OR_RETURN(groups, AwaitGroups(stage, step));
  }
  const absl::Duration waited = parts_.clock() - start;
  AHA_ASSIGN_OR_RETURN(StepResult result, Compute(stage, step, groups));
  result.metrics["time/wait_for_groups"] = absl::ToDoubleSeconds(waited);
  if (is_rank_zero()) {
    AHA_RETURN_IF_ERROR(Commit(stage, step, start, result));
  }
  if (parts_.gauges->step_done) parts_.gauges->step_done(result);
  if (parts_.gauges->version) parts_.gauges->version(step + 1);
  return absl::OkStatus();
}

absl::Status StepLoop::Commit(const Stage& stage, uint64_t step,
                              absl::Time start, StepResult& result) {
  const absl::Time begin = parts_.clock();
  if (stage.consumes_groups()) {
    WriteRollouts(stage, step, result.rollouts);
    AHA_RETURN_IF_ERROR(parts_.cluster->Publish({stage.index, step + 1},
                                                parts_.state->model().weights(),
                                                result.weights_checksum));
  }
  const absl::Time now = parts_.clock();
  result.metrics["time/publish"] = absl::ToDoubleSeconds(now - begin);
  result.metrics["step_time"] = absl::ToDoubleSeconds(now - start);
  v1::CommitStepRequest request;
  request.set_stage(stage.index);
  request.set_step(step);
  request.set_weights_checksum(result.weights_checksum.ToBytes());
  request.set_chain(result.chain.ToBytes());
  request.mutable_metrics()->insert(result.metrics.begin(),
                                    result.metrics.end());
  request.mutable_slots()->Assign(result.slots.begin(), result.slots.end());
  request.set_stage_done(step + 1 == stage.plan.steps);
  request.set_tokens_compared(result.tokens_compared);
  request.set_tokens_differing(result.tokens_differing);
  return parts_.cluster->CommitStep(std::move(request));
}

void StepLoop::WriteRollouts(const Stage& stage, uint64_t step,
                             const std::string& lines) {
  const std::string directory = parts_.run_directory + "/rollouts";
  std::error_code ignored;  // ReplaceFile fails if there is no directory.
  std::filesystem::create_directories(directory, ignored);
  const std::string path =
      absl::StrCat(directory, "/",
                   StepNameOf(parts_.plan->job, stage.index, step), ".jsonl");
  const absl::Status status = ReplaceFile(path, lines);
  if (status.ok()) return;
  AHA_LOG(kWarning) << status << "; training continues";
  parts_.cluster->Report(false, absl::StrCat(status.message(),
                                             "; training continues without the "
                                             "rollouts of this step"));
}

}  // namespace aha::learner
