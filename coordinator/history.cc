#include "coordinator/history.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "run/manifest.h"
#include "run/metrics.h"

namespace aha::coordinator {
namespace {

absl::Status VerifyCheckpoint(const std::string& directory,
                              const CheckpointRecord& record) {
  AHA_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(directory));
  if (manifest.stage != record.stage ||
      manifest.next_step != record.next_step ||
      manifest.chain != record.chain ||
      manifest.weights_checksum != record.weights) {
    return absl::DataLossError(absl::StrCat(
        directory, "/manifest.json is not the one that was committed (stage ",
        record.stage, ", next_step ", record.next_step, ")"));
  }
  return VerifyParts(directory, manifest);
}

// Whether `stage` may have a result in `table`.
absl::Status CheckStage(const JobPlan& plan, const char* table,
                        uint32_t stage) {
  if (stage < plan.stages.size() &&
      plan.stages[stage].traits.consumer == GroupConsumer::kCoordinator) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "coordinator.db: table ", table, ", stage ", stage,
      ": the job has no such stage whose groups the coordinator collects (it "
      "has ",
      plan.stages.size(), " stages)"));
}

// Whether the job has a step that ends where the checkpoint stands.
absl::Status CheckFits(const JobPlan& plan, const CheckpointRecord& record) {
  if (record.stage < plan.stages.size() && plan.stages[record.stage].trains() &&
      record.next_step <= plan.stages[record.stage].steps) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      "coordinator.db: table checkpoints, stage ", record.stage, " next_step ",
      record.next_step, ": the job has no such step (it has ",
      plan.stages.size(), " stages)"));
}

}  // namespace

CheckpointChoice ChooseCheckpoint(
    const std::string& run_directory,
    const std::vector<CheckpointRecord>& checkpoints) {
  CheckpointChoice choice;
  for (auto it = checkpoints.rbegin(); it != checkpoints.rend(); ++it) {
    const absl::Status status =
        VerifyCheckpoint(absl::StrCat(run_directory, "/", it->directory), *it);
    if (status.ok()) {
      choice.checkpoint = *it;
      break;
    }
    // The learner removes old checkpoints (checkpoint.keep); the newest it
    // keeps.
    if (absl::IsNotFound(status) && it != checkpoints.rbegin()) continue;
    choice.refused.push_back(absl::StrCat("checkpoint ", it->directory,
                                          " refused: ", status.message()));
  }
  return choice;
}

absl::Status CheckManifest(const std::string& directory,
                           const CheckpointRecord& record) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(directory);
  if (absl::IsNotFound(manifest.status())) {
    // NOT_FOUND would tell a learner that it is not a member.
    return absl::InvalidArgumentError(
        absl::StrCat("directory: ", manifest.status().message()));
  }
  AHA_RETURN_IF_ERROR(manifest.status());
  if (manifest->chain == record.chain &&
      manifest->next_step == record.next_step) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      directory, "/manifest.json is of another step than the commit says"));
}

absl::StatusOr<History> History::Load(const JobPlan* plan, StateStore* store) {
  History history(plan, store);
  AHA_ASSIGN_OR_RETURN(history.checkpoints_, store->Checkpoints());
  for (const CheckpointRecord& checkpoint : history.checkpoints_) {
    AHA_RETURN_IF_ERROR(CheckFits(*plan, checkpoint));
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<EvalRecord> evals, store->Evals());
  for (const EvalRecord& eval : evals) {
    AHA_RETURN_IF_ERROR(CheckStage(*plan, "evals", eval.stage));
    history.evals_[eval.stage] = eval;
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<DatasetRecord> datasets,
                       store->Datasets());
  for (const DatasetRecord& dataset : datasets) {
    AHA_RETURN_IF_ERROR(CheckStage(*plan, "datasets", dataset.stage));
    history.datasets_[dataset.stage] = dataset;
  }
  history.SkipFinishedEvals();
  return history;
}

void History::SkipFinishedEvals() {
  while (evals_.contains(position_.stage)) ++position_.stage;
}

Position History::After(const CheckpointRecord& checkpoint) const {
  Position position{.stage = checkpoint.stage,
                    .step = checkpoint.next_step,
                    .chain = checkpoint.chain,
                    .weights = checkpoint.weights};
  if (checkpoint.stage_done) {
    ++position.stage;
    position.step = 0;
  }
  return position;
}

absl::Status History::GoBack(
    const std::optional<CheckpointRecord>& checkpoint) {
  checkpoint_ = checkpoint;
  position_ = checkpoint.has_value() ? After(*checkpoint) : Position{};
  SkipFinishedEvals();
  AHA_ASSIGN_OR_RETURN(totals_,
                       store_->TotalsBefore(position_.stage, position_.step));
  latest_.clear();
  for (uint32_t stage = 0; stage < plan_->stages.size(); ++stage) {
    if (stage > position_.stage) break;
    const uint64_t end =
        stage < position_.stage ? plan_->stages[stage].steps : position_.step;
    AHA_ASSIGN_OR_RETURN(const auto last, store_->LastCommitBefore(stage, end));
    if (last.has_value())
      latest_[stage] = run::ParseMetricsLine(last->metrics_line).Numbers();
  }
  return absl::OkStatus();
}

bool History::CheckpointFits() const {
  if (position_.chain == Hash128{}) return true;  // From the job's model.
  return checkpoint_.has_value() && checkpoint_->chain == position_.chain;
}

std::map<std::string, double> History::latest_metrics(uint32_t stage) const {
  const auto it = latest_.find(stage);
  return it == latest_.end() ? std::map<std::string, double>() : it->second;
}

absl::StatusOr<History::Committed> History::Commit(const CommitRecord& commit,
                                                   double stage_seconds) {
  const std::pair key(commit.stage, commit.step);
  const std::pair next(position_.stage, position_.step);
  AHA_ASSIGN_OR_RETURN(const std::optional<CommitRecord> known,
                       store_->FindCommit(commit.stage, commit.step));
  const bool recorded = known.has_value();
  if (recorded &&
      (known->weights != commit.weights || known->chain != commit.chain)) {
    return absl::DataLossError(absl::StrCat(
        "stage ", commit.stage, " step ", commit.step,
        " was committed before with weights ", known->weights.Hex(),
        " and chain ", known->chain.Hex(), "; computed again it gave ",
        commit.weights.Hex(), " and ", commit.chain.Hex()));
  }
  if (recorded && key < next) return Committed::kAgain;
  if (key != next) {
    return absl::FailedPreconditionError(
        absl::StrCat("stage ", commit.stage, " step ", commit.step,
                     " is not the next one, which is stage ", next.first,
                     " step ", next.second));
  }
  AHA_RETURN_IF_ERROR(store_->PutCommit(commit, stage_seconds));
  ++totals_.steps;
  totals_.tokens += commit.tokens;
  totals_.tokens_compared += commit.tokens_compared;
  totals_.tokens_differing += commit.tokens_differing;
  latest_[commit.stage] = run::ParseMetricsLine(commit.metrics_line).Numbers();
  ++position_.step;
  position_.chain = commit.chain;
  position_.weights = commit.weights;
  return recorded ? Committed::kRecomputed : Committed::kNew;
}

absl::Status History::AddCheckpoint(const CheckpointRecord& checkpoint,
                                    double stage_seconds) {
  AHA_RETURN_IF_ERROR(store_->PutCheckpoint(checkpoint, stage_seconds));
  const std::pair key(checkpoint.stage, checkpoint.next_step);
  std::erase_if(checkpoints_, [&](const CheckpointRecord& other) {
    return std::pair(other.stage, other.next_step) == key;
  });
  auto place = checkpoints_.end();
  while (place != checkpoints_.begin() &&
         std::pair(std::prev(place)->stage, std::prev(place)->next_step) >
             key) {
    --place;
  }
  checkpoints_.insert(place, checkpoint);
  checkpoint_ = checkpoint;
  return absl::OkStatus();
}

absl::Status History::AddEval(const EvalRecord& eval, double stage_seconds) {
  AHA_RETURN_IF_ERROR(store_->PutEval(eval, stage_seconds));
  evals_[eval.stage] = eval;
  return absl::OkStatus();
}

absl::Status History::PutDataset(const DatasetRecord& dataset,
                                 double stage_seconds) {
  AHA_RETURN_IF_ERROR(store_->PutDataset(dataset, stage_seconds));
  datasets_[dataset.stage] = dataset;
  return absl::OkStatus();
}

void History::Advance() {
  ++position_.stage;
  position_.step = 0;
  SkipFinishedEvals();
}

absl::StatusOr<std::optional<Hash128>> History::KnownWeights(
    uint32_t stage, uint64_t version) const {
  if (version == 0) return std::nullopt;
  AHA_ASSIGN_OR_RETURN(const std::optional<CommitRecord> commit,
                       store_->FindCommit(stage, version - 1));
  if (!commit.has_value()) return std::nullopt;
  return commit->weights;
}

}  // namespace aha::coordinator
