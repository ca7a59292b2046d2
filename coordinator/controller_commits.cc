// What rank 0 commits, and the weights that it publishes.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "coordinator/controller.h"
#include "coordinator/controller_internal.h"
#include "coordinator/log_status.h"
#include "rl/schedule.h"
#include "run/manifest.h"

namespace aha::coordinator {
namespace {

std::string MetricsLine(const StagePlan& stage, const CommitRecord& commit,
                        const v1::CommitStepRequest& request) {
  nlohmann::json line = {{"step", commit.step},
                         {"stage", stage.name},
                         {"policy_version", commit.step + 1},
                         {"weights_checksum", commit.weights.Hex()}};
  for (const auto& [name, value] : request.metrics()) {
    if (std::isfinite(value)) {
      line.emplace(name, value);
    } else {
      line.emplace(name, nullptr);  // JSON knows no NaN.
    }
  }
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

double Metric(const v1::CommitStepRequest& request, const char* name) {
  const auto it = request.metrics().find(name);
  return it == request.metrics().end() || !std::isfinite(it->second)
             ? 0
             : it->second;
}

// The steps of a stage are consumed whole, in slot order.
absl::Status CheckSlots(const v1::CommitStepRequest& request,
                        const StagePlan& stage) {
  const auto wanted =
      stage.type == StageType::kGrpo ? static_cast<int>(stage.groups) : 0;
  bool right = request.slots_size() == wanted;
  for (int i = 0; right && i < wanted; ++i) {
    right = request.slots(i) == static_cast<uint32_t>(i);
  }
  if (right) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "slots: must be 0 to ", wanted - 1, " in order for a step of ",
      stage.name, ", got [",
      absl::StrJoin(request.slots().begin(),
                    request.slots().begin() + std::min(request.slots_size(), 8),
                    " "),
      "] (", request.slots_size(), " of them)"));
}

absl::Status CheckDirectory(const std::string& directory) {
  if (directory.empty() || absl::StartsWith(directory, "/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("directory: must be relative to the run directory, got '",
                     directory, "'"));
  }
  for (const absl::string_view part : absl::StrSplit(directory, '/')) {
    if (part == "..") {
      return absl::InvalidArgumentError(
          absl::StrCat("directory: must stay inside the run directory, got '",
                       directory, "'"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Controller::TouchRankZero(uint64_t id, uint64_t epoch) {
  AHA_ASSIGN_OR_RETURN(const MemberInfo* const member, TouchLearner(id, epoch));
  if (over()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job has ", StateName(state_)));
  }
  if (member->rank == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "rank: only rank 0 commits, ", member->name, " has rank ", member->rank));
}

absl::StatusOr<CommitRecord> Controller::CheckCommit(
    const v1::CommitStepRequest& request) {
  CommitRecord commit{.stage = request.stage(), .step = request.step()};
  if (commit.stage >= parts_.plan->stages.size() ||
      !parts_.plan->stages[commit.stage].trains()) {
    return absl::InvalidArgumentError(
        absl::StrCat("stage: ", commit.stage, " is no stage that trains"));
  }
  const StagePlan& stage = parts_.plan->stages[commit.stage];
  const auto weights = Hash128::FromBytes(request.weights_checksum());
  const auto chain = Hash128::FromBytes(request.chain());
  if (!weights.ok() || !chain.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        weights.ok() ? "chain: " : "weights_checksum: ",
        weights.ok() ? chain.status().message() : weights.status().message()));
  }
  commit.weights = *weights;
  commit.chain = *chain;
  AHA_RETURN_IF_ERROR(CheckSlots(request, stage));
  if (request.stage_done() != (commit.step + 1 == stage.steps)) {
    return absl::InvalidArgumentError(
        absl::StrCat("stage_done: step ", commit.step, " of ", stage.steps,
                     ", got ", request.stage_done()));
  }
  commit.groups = static_cast<uint64_t>(request.slots_size());
  commit.tokens_compared = request.tokens_compared();
  commit.tokens_differing = request.tokens_differing();
  commit.tokens = static_cast<uint64_t>(
      std::llround(std::max(0.0, Metric(request, "completions/mean_length")) *
                   static_cast<double>(commit.groups * stage.num_generations)));
  commit.metrics_line = MetricsLine(stage, commit, request);
  return commit;
}

absl::Status Controller::CommitStep(const v1::CommitStepRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(request.member_id(), request.epoch()));
  AHA_ASSIGN_OR_RETURN(const CommitRecord commit, CheckCommit(request));
  if (commit.tokens_differing > 0) {
    parts_.series.tokens_differing.Increment(
        static_cast<double>(commit.tokens_differing));
    Fail(absl::StrCat("exactness lost: ", commit.tokens_differing, " of ",
                      commit.tokens_compared, " log-probabilities of stage ",
                      commit.stage, " step ", commit.step,
                      " differ between actor and learner"));
    return absl::FailedPreconditionError(problem_);
  }
  const Position& position = history_.position();
  const bool next =
      commit.stage == position.stage && commit.step == position.step;
  const WeightsId version{.stage = commit.stage, .version = commit.step + 1};
  if (next && !InGroup(0)) return AnotherGroup(0);
  if (next && plan().type == StageType::kGrpo) {
    const auto published = parts_.weights->Find(version);
    if (!published.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "step: version ", version.version, " must be published before"));
    }
    if (published->checksum != commit.weights) {
      return absl::InvalidArgumentError(
          absl::StrCat("weights_checksum: version ", version.version,
                       " was published as ", published->checksum.Hex(),
                       ", the commit has ", commit.weights.Hex()));
    }
  }
  const absl::StatusOr<History::Committed> committed =
      history_.Commit(commit, StageSeconds(commit.stage));
  if (absl::IsDataLoss(committed.status())) {
    Fail(std::string(committed.status().message()));
  }
  AHA_RETURN_IF_ERROR(Stored(committed.status()));
  if (*committed == History::Committed::kNew) broken_groups_ = 0;
  if (*committed != History::Committed::kAgain) AfterCommit(commit, request);
  return absl::OkStatus();
}

void Controller::AfterCommit(const CommitRecord& commit,
                             const v1::CommitStepRequest& request) {
  if (metrics_lack_) {
    WriteMetrics();
  } else {
    const absl::Status written =
        parts_.directory->AppendLine("metrics.jsonl", commit.metrics_line);
    metrics_lack_ = !written.ok();
    WarnIfError(written);
  }
  if (ledger_.has_value()) {
    ledger_->Train(commit.step);
    // Find() said that it is there.
    const WeightsId version{.stage = commit.stage, .version = commit.step + 1};
    const absl::Status visible = parts_.weights->Commit(version);
    WarnIfError(visible);
    MakeVisible(version.version);
    parts_.weights->DropBelow(
        {.stage = commit.stage,
         .version = SamplingVersion(commit.step + 1, plan().lag)});
  }
  // num_tokens counts through the job; the first value after a start of this
  // process tells nothing of what was done in it.
  const double tokens = Metric(request, "num_tokens");
  if (last_num_tokens_.has_value()) {
    train_tokens_ += std::max(0.0, tokens - *last_num_tokens_);
    train_seconds_ += Metric(request, "step_time");
  }
  last_num_tokens_ = tokens;
  const Series& series = parts_.series;
  series.steps.Increment();
  series.groups_trained.Increment(static_cast<double>(commit.groups));
  series.tokens.Increment(static_cast<double>(commit.tokens));
  series.tokens_compared.Increment(static_cast<double>(commit.tokens_compared));
  series.ShowStep({request.metrics().begin(), request.metrics().end()});
  ShowProgress();
}

void Controller::MakeVisible(uint64_t version) {
  if (ledger_.has_value()) ledger_->MakeVisible(version);
  parts_.series.policy_version.Set(static_cast<double>(version));
}

absl::Status Controller::CommitCheckpoint(
    const v1::CommitCheckpointRequest& request) {
  const Change change(*this);
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(request.member_id(), request.epoch()));
  AHA_RETURN_IF_ERROR(CheckDirectory(request.directory()));
  AHA_ASSIGN_OR_RETURN(const Hash128 weights,
                       Hash128::FromBytes(request.weights_checksum()));
  AHA_ASSIGN_OR_RETURN(const Hash128 chain,
                       Hash128::FromBytes(request.chain()));
  const CheckpointRecord record{.stage = request.stage(),
                                .next_step = request.next_step(),
                                .directory = request.directory(),
                                .weights = weights,
                                .chain = chain,
                                .stage_done = request.stage_done()};
  if (going_back_.has_value()) return AnotherGroup(0);
  const Position& position = history_.position();
  if (const auto& last = history_.checkpoint();
      last.has_value() && last->directory == record.directory &&
      last->chain == chain && last->stage == record.stage &&
      last->next_step == record.next_step) {
    return absl::OkStatus();  // Said again.
  }
  if (record.stage != position.stage || record.next_step != position.step ||
      chain != position.chain) {
    return absl::FailedPreconditionError(absl::StrCat(
        "next_step: the job is at stage ", position.stage, " step ",
        position.step, " with chain ", position.chain.Hex(),
        ", the checkpoint at stage ", record.stage, " step ", record.next_step,
        " with ", chain.Hex()));
  }
  const std::string path = parts_.directory->File(record.directory);
  const absl::StatusOr<Manifest> manifest = ReadManifest(path);
  if (absl::IsNotFound(manifest.status())) {
    // NOT_FOUND would tell the caller that it is no member.
    return absl::InvalidArgumentError(
        absl::StrCat("directory: ", manifest.status().message()));
  }
  AHA_RETURN_IF_ERROR(manifest.status());
  if (manifest->chain != chain || manifest->next_step != record.next_step) {
    return absl::DataLossError(absl::StrCat(
        path, "/manifest.json is of another step than the commit says"));
  }
  AHA_RETURN_IF_ERROR(
      Stored(history_.AddCheckpoint(record, StageSeconds(record.stage))));
  parts_.series.checkpoints.Increment();
  Note("checkpoint", absl::StrCat(record.directory, ", stage ", record.stage,
                                  " step ", record.next_step));
  if (position.step == plan().steps) {
    const bool stopping = state_ == v1::JOB_STATE_STOPPING;
    Advance();
    if (stopping && !over()) End(v1::JOB_STATE_STOPPED);
  } else if (state_ == v1::JOB_STATE_STOPPING) {
    End(v1::JOB_STATE_STOPPED);
  }
  return absl::OkStatus();
}

void Controller::PieceSent() {
  MutexLock lock(mutex_);
  ++progress_;
}

absl::Status Controller::AdmitVersion(WeightsId id, uint64_t member_id,
                                      uint64_t epoch) {
  MutexLock lock(mutex_);
  AHA_RETURN_IF_ERROR(TouchRankZero(member_id, epoch));
  const Position& position = history_.position();
  if (over() || going_back_.has_value() || id.stage != position.stage) {
    return absl::FailedPreconditionError(
        absl::StrCat("id: stage ", id.stage, " is not running (the job is ",
                     StateName(state_), " at stage ", position.stage, ")"));
  }
  const uint64_t lowest = SamplingVersion(first_step_, plan().lag);
  const uint64_t highest = plan().trains() ? position.step + 1 : 0;
  if (id.version < lowest || id.version > highest) {
    return absl::FailedPreconditionError(
        absl::StrCat("id: version must be ", lowest, " to ", highest,
                     " now, got ", id.version));
  }
  return absl::OkStatus();
}

absl::Status Controller::VersionArrived(WeightsId id) {
  const Change change(*this);
  MutexLock lock(mutex_);
  // The stage may have changed during the transfer.
  const Position& position = history_.position();
  if (over()) parts_.weights->DropAll();
  if (over() || going_back_.has_value() || id.stage != position.stage ||
      id.version > first_step_) {
    return absl::OkStatus();  // Phase two is CommitStep.
  }
  const auto info = parts_.weights->Find(id);
  if (!info.has_value()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const auto known,
                       history_.KnownWeights(id.stage, id.version));
  if (known.has_value() && *known != info->checksum) {
    Fail(absl::StrCat("stage ", id.stage, " version ", id.version,
                      " was committed with weights ", known->Hex(),
                      ", published again it has ", info->checksum.Hex()));
    return absl::DataLossError(problem_);
  }
  AHA_RETURN_IF_ERROR(parts_.weights->Commit(id));
  parts_.weights->DropBelow({.stage = id.stage, .version = 0});
  MakeVisible(id.version);
  if (id.version == first_step_) start_visible_ = true;
  return absl::OkStatus();
}

}  // namespace aha::coordinator
