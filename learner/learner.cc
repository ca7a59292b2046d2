#include "learner/learner.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::learner {
namespace {

using Go = v1::BeginStepResponse;
// Rank 0's other word to its group: ask the coordinator for a stage anew.
constexpr char kAskAgain = 'A';
// An eval stage that is still running was answered again, or no group came
// about.
constexpr absl::Duration kEvalPause = absl::Milliseconds(200);

absl::Status VoidStep() {
  return absl::AbortedError("what was under way is void");
}

std::string Absolute(const std::string& run_directory,
                     const std::string& path) {
  return path[0] == '/' ? path : absl::StrCat(run_directory, "/", path);
}

}  // namespace

Learner::Learner(LearnerOptions options, const ModelSetup* setup,
                 ThreadPool* pool, Cluster* cluster, GroupBuffer* buffer,
                 Connect connect, LearnerGauges gauges)
    : options_(std::move(options)),
      setup_(*setup),
      pool_(*pool),
      cluster_(*cluster),
      buffer_(*buffer),
      connect_(std::move(connect)),
      gauges_(std::move(gauges)) {}

Learner::~Learner() = default;

template <class Body>
auto Learner::Waiting(const std::string& what, const std::string& shown,
                      Body&& body) {
  cluster_.SetWaitingFor(shown);
  const absl::Time start = options_.clock();
  auto result = body();
  if (gauges_.waited) gauges_.waited(what, options_.clock() - start);
  cluster_.SetWaitingFor("");
  return result;
}

void Learner::Stop() {
  stopping_ = true;
  Interrupt();
}

void Learner::Interrupt() {
  buffer_.Close();
  MutexLock lock(mutex_);
  if (idle_ != nullptr) idle_->Abort(VoidStep());
}

void Learner::LeaveGroup() {
  comm_.reset();
  group_.reset();
}

absl::StatusOr<v1::NextStageResponse> Learner::AwaitStage() {
  return Waiting("next_stage", "the coordinator's next stage",
                 [&]() -> absl::StatusOr<v1::NextStageResponse> {
                   while (!stopping_) {
                     absl::StatusOr<v1::NextStageResponse> next =
                         cluster_.NextStage();
                     if (absl::IsAborted(next.status())) continue;
                     if (!next.ok()) return next;
                     if (next->directive() != v1::DIRECTIVE_RUN) return next;
                     if (next->stage_ready()) return next;
                   }
                   return absl::CancelledError("stopping");
                 });
}

bool Learner::MayGoOn(const absl::Status& status) {
  if (comm_ && !comm_->status().ok() && !absl::IsAborted(status)) {
    // Others may have died; the coordinator will put a new group together.
    AHA_LOG(kWarning) << "the learner group broke: " << status;
    cluster_.Report(
        false, absl::StrCat("the learner group broke: ", status.ToString()));
    broken_group_ = group_;
    LeaveGroup();
    return true;
  }
  if (absl::IsAborted(status)) {
    AHA_LOG(kInfo) << "asking for a stage anew: " << status.message();
    LeaveGroup();
    return true;
  }
  return status.ok();
}

absl::Status Learner::Run() {
  absl::Status status;
  while (!stopping_) {
    const absl::StatusOr<v1::NextStageResponse> next = AwaitStage();
    if (!next.ok()) {
      status = next.status();
      break;
    }
    if (next->directive() != v1::DIRECTIVE_RUN) return absl::OkStatus();
    status = RunStage(*next);
    buffer_.Close();
    if (stopping_ || !MayGoOn(status)) break;
  }
  if (!stopping_) {
    cluster_.Report(true, status.ToString());
    return status;
  }
  const bool is_new =
      position_ && !(saved_ && saved_->chain == position_->chain);
  if (options_.rank == 0 && is_new) SaveCheckpoint();
  return absl::OkStatus();
}

absl::Status Learner::JoinGroup(const v1::NextStageResponse& next) {
  const GroupName name{cluster_.epoch(), next.group_epoch()};
  const int size = next.learner_addresses_size();
  if (size < 1 || options_.rank >= static_cast<uint32_t>(size)) {
    return absl::FailedPreconditionError(
        absl::StrCat("rank must be below the number of learners (", size,
                     "), is ", options_.rank));
  }
  if (broken_group_ == name && size > 1) {
    return absl::UnavailableError(absl::StrCat("group epoch ", name.second,
                                               " broke and was offered again"));
  }
  if (comm_ && group_ == name && comm_->status().ok()) return absl::OkStatus();
  LeaveGroup();
  absl::StatusOr<std::unique_ptr<comm::Communicator>> joined = Waiting(
      "rendezvous", "the other learner ranks", [&] { return connect_(next); });
  if (absl::IsUnavailable(joined.status()) ||
      absl::IsDeadlineExceeded(joined.status())) {
    // A rank was lost on its way; the coordinator puts a new group together,
    // or fails the job after cluster.wait_seconds.
    cluster_.Report(false, joined.status().ToString());
    absl::SleepFor(kEvalPause);
    return absl::AbortedError(joined.status().message());
  }
  AHA_RETURN_IF_ERROR(joined.status());
  comm_ = *std::move(joined);
  group_ = name;
  return absl::OkStatus();
}

bool Learner::StateFits(const v1::NextStageResponse& next,
                        const Hash128& chain) const {
  if (!position_ || position_->chain != chain) return false;
  return position_->stage == next.stage()
             ? position_->next_step == next.first_step()
             : position_->stage < next.stage() && next.first_step() == 0;
}

absl::Status Learner::LoadState(const v1::NextStageResponse& next,
                                const Hash128& chain) {
  const std::string path = Absolute(options_.run_directory, next.checkpoint());
  AHA_LOG(kInfo) << "loading " << path;
  AHA_ASSIGN_OR_RETURN(LoadedCheckpoint loaded,
                       LoadCheckpoint(path, options_.job, setup_));
  const Manifest& manifest = loaded.manifest;
  // A checkpoint that was asked for during an eval stage has no steps to do.
  const auto complete = [&] {
    return manifest.stage_done || IsEval(options_.job, manifest.stage);
  };
  const bool fits = manifest.stage == next.stage()
                        ? manifest.next_step == next.first_step()
                        : manifest.stage < next.stage() && complete() &&
                              next.first_step() == 0;
  if (!fits || manifest.chain != chain) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " must lead to stage ", next.stage(), ", step ",
                     next.first_step(), " of this job's history, holds stage ",
                     manifest.stage, ", step ", manifest.next_step, ", chain ",
                     manifest.chain.Hex()));
  }
  AHA_RETURN_IF_ERROR(state_->Restore(std::move(loaded.state)));
  position_ = Position{.stage = manifest.stage,
                       .next_step = manifest.next_step,
                       .stage_done = manifest.stage_done,
                       .chain = manifest.chain,
                       .weights_checksum = manifest.weights_checksum,
                       .num_tokens = manifest.num_tokens};
  saved_ = position_;
  return absl::OkStatus();
}

absl::Status Learner::BringState(const v1::NextStageResponse& next) {
  Hash128 chain;
  if (!next.chain().empty()) {
    AHA_ASSIGN_OR_RETURN(chain, Hash128::FromBytes(next.chain()));
  }
  if (!state_) {
    AHA_ASSIGN_OR_RETURN(
        state_, ModelState::Create(setup_.config, setup_.dtype, &pool_));
  }
  if (!StateFits(next, chain)) {
    position_.reset();
    if (!next.checkpoint().empty()) {
      AHA_RETURN_IF_ERROR(LoadState(next, chain));
    } else {
      if (next.first_step() != 0 || chain != Hash128{}) {
        return absl::FailedPreconditionError(absl::StrCat(
            "stage ", next.stage(), " goes on from step ", next.first_step(),
            " but the coordinator names no checkpoint"));
      }
      AHA_ASSIGN_OR_RETURN(Parameters weights,
                           StartingWeights(options_.job, setup_));
      AHA_RETURN_IF_ERROR(state_->Reset(std::move(weights)));
      position_.emplace();
      saved_.reset();  // What was saved may be what is refused now.
      position_->weights_checksum = WeightsChecksum(state_->weights());
    }
  }
  if (position_->stage != next.stage()) {
    position_->stage = next.stage();
    position_->next_step = 0;
    position_->stage_done = false;
  }
  return absl::OkStatus();
}

absl::Status Learner::PublishStart(const Stage& stage, uint64_t first_step) {
  // With lag 1 step n is sampled with version n - 1.
  if (const Parameters* previous = state_->previous_weights();
      previous != nullptr && first_step > 0 && stage.lag() > 0) {
    AHA_RETURN_IF_ERROR(cluster_.Publish(
        stage.index(), first_step - 1, *previous, WeightsChecksum(*previous)));
  }
  return cluster_.Publish(stage.index(), first_step, state_->weights(),
                          position_->weights_checksum);
}

absl::Status Learner::RunStage(const v1::NextStageResponse& next) {
  if (next.stage() >= static_cast<uint32_t>(options_.job.stages_size())) {
    return absl::FailedPreconditionError(
        absl::StrCat("stage must be below ", options_.job.stages_size(),
                     ", is ", next.stage()));
  }
  if (IsEval(options_.job, next.stage())) {
    const GroupName name{cluster_.epoch(), next.stage()};
    if (options_.rank != 0 || evaluated_ == name) {
      absl::SleepFor(kEvalPause);
      return absl::OkStatus();
    }
    AHA_RETURN_IF_ERROR(BringState(next));
    AHA_RETURN_IF_ERROR(cluster_.Publish(next.stage(), 0, state_->weights(),
                                         position_->weights_checksum));
    evaluated_ = name;
    return absl::OkStatus();
  }
  evaluated_.reset();  // A stage that is done again is published again.
  AHA_RETURN_IF_ERROR(JoinGroup(next));
  AHA_RETURN_IF_ERROR(BringState(next));
  const uint64_t first_step = next.first_step();
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage,
                       Stage::Open(options_.job, next.stage(), first_step,
                                   setup_, state_.get()));
  Hasher hasher;
  hasher.Hash(position_->weights_checksum);
  hasher.Hash(position_->chain);
  AHA_RETURN_IF_ERROR(CompareChecksums(hasher.Finish(), first_step, *comm_));
  if (stage->is_grpo()) {
    buffer_.Open(stage->Rules(cluster_.epoch(), options_.rank,
                              static_cast<uint32_t>(comm_->size())),
                 first_step);
  }
  if (gauges_.version) gauges_.version(first_step);
  if (options_.rank == 0) AHA_RETURN_IF_ERROR(PublishStart(*stage, first_step));
  return RunSteps(*stage, first_step);
}

absl::StatusOr<v1::BeginStepResponse::Go> Learner::AgreeOnStep(uint32_t stage,
                                                               uint64_t step) {
  {
    MutexLock lock(mutex_);
    idle_ = comm_.get();
  }
  const absl::Cleanup busy = [&] {
    MutexLock lock(mutex_);
    idle_ = nullptr;
  };
  while (!stopping_ || options_.rank == 0) {
    absl::StatusOr<Go::Go> answer = VoidStep();
    if (options_.rank == 0 && !stopping_) {
      answer = cluster_.BeginStep(stage, step);
    }
    const std::string word(
        1, answer.ok() ? static_cast<char>(*answer) : kAskAgain);
    AHA_ASSIGN_OR_RETURN(const std::string said,
                         comm_->Broadcast("begin step", 0, word));
    if (options_.rank == 0 && !answer.ok()) return answer;
    if (said.size() != 1 || said[0] == kAskAgain) return VoidStep();
    if (said[0] != static_cast<char>(Go::WAIT)) {
      return static_cast<Go::Go>(said[0]);
    }
  }
  return VoidStep();
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
      if (options_.rank == 0) SaveCheckpoint();
      return absl::OkStatus();
    }
    AHA_RETURN_IF_ERROR(DoStep(stage, step));
    const bool due = (step + 1) % every == 0 || step + 1 == stage.steps();
    if (due && options_.rank == 0) SaveCheckpoint();
    if (stopping_) return VoidStep();
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
    // If another rank was lost, the job went back and no groups come.
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
  position_.reset();  // Until the step is whole, the state is no version.
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
        stage.index(), step + 1, state_->weights(), result.weights_checksum));
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

void Learner::SaveCheckpoint() {
  // An equal chain is an equal state, if perhaps named by the stage before.
  if (!saved_ || saved_->chain != position_->chain) {
    const absl::Time start = options_.clock();
    const absl::StatusOr<std::string> directory = WriteCheckpoint(
        options_.run_directory, options_.job, setup_, *state_, *position_,
        comm_ ? static_cast<uint32_t>(comm_->size()) : 1);
    if (gauges_.checkpoint) gauges_.checkpoint(directory.ok());
    if (!directory.ok()) {
      const std::string text =
          absl::StrCat("no checkpoint at step ", position_->next_step, ": ",
                       directory.status().message(),
                       "; training goes on, the checkpoint before stays");
      AHA_LOG(kError) << text;
      cluster_.Report(false, text);
      return;
    }
    AHA_LOG(kInfo) << "wrote " << *directory << " in "
                   << absl::FormatDuration(options_.clock() - start);
    saved_ = position_;
  }
  v1::CommitCheckpointRequest request;
  request.set_stage(saved_->stage);
  request.set_next_step(saved_->next_step);
  request.set_directory(CheckpointPath(options_.job, *saved_));
  request.set_weights_checksum(saved_->weights_checksum.ToBytes());
  request.set_chain(saved_->chain.ToBytes());
  request.set_stage_done(saved_->stage_done);
  absl::Status status = cluster_.CommitCheckpoint(std::move(request));
  // Not before the coordinator knows of the new one.
  if (status.ok()) {
    status = RemoveOldCheckpoints(options_.run_directory,
                                  options_.job.checkpoint().keep(), *saved_);
  }
  if (!status.ok()) {
    AHA_LOG(kWarning) << "after a checkpoint: " << status;
  }
}

}  // namespace aha::learner
