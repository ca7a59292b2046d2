#include "coordinator/history.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"
#include "job/manifest.h"

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
    // Old ones are removed on purpose (checkpoint.keep).
    if (absl::IsNotFound(status) && it != checkpoints.rbegin()) continue;
    choice.refused.push_back(absl::StrCat("checkpoint ", it->directory,
                                          " refused: ", status.message()));
  }
  return choice;
}

absl::StatusOr<History> History::Load(const JobPlan* plan, StateStore* store) {
  History history(plan, store);
  AHA_ASSIGN_OR_RETURN(const std::vector<CommitRecord> commits,
                       store->Commits());
  for (const CommitRecord& commit : commits) {
    history.commits_[{commit.stage, commit.step}] = commit;
  }
  AHA_ASSIGN_OR_RETURN(history.checkpoints_, store->Checkpoints());
  AHA_ASSIGN_OR_RETURN(const std::vector<EvalRecord> evals, store->Evals());
  for (const EvalRecord& eval : evals) history.evals_[eval.stage] = eval;
  history.SkipFinishedEvals();
  return history;
}

void History::SkipFinishedEvals() {
  while (position_.stage < plan_->stages.size() &&
         !plan_->stages[position_.stage].trains() &&
         evals_.contains(position_.stage)) {
    ++position_.stage;
  }
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

void History::GoBack(const std::optional<CheckpointRecord>& checkpoint) {
  checkpoint_ = checkpoint;
  position_ = checkpoint.has_value() ? After(*checkpoint) : Position{};
  SkipFinishedEvals();
}

bool History::CheckpointFits() const {
  if (position_.chain == Hash128{}) return true;  // From the job's model.
  return checkpoint_.has_value() && checkpoint_->chain == position_.chain;
}

Totals History::totals() const {
  Totals totals;
  for (const auto& [key, commit] : commits_) {
    if (key >= std::pair(position_.stage, position_.step)) break;
    ++totals.steps;
    totals.tokens += commit.tokens;
    totals.tokens_compared += commit.tokens_compared;
    totals.tokens_differing += commit.tokens_differing;
  }
  return totals;
}

std::string History::MetricsLines() const {
  std::string lines;
  for (const auto& [key, commit] : commits_) {
    if (key >= std::pair(position_.stage, position_.step)) break;
    absl::StrAppend(&lines, commit.metrics_line, "\n");
  }
  return lines;
}

std::map<std::string, double> History::latest_metrics(uint32_t stage) const {
  std::map<std::string, double> metrics;
  auto it = commits_.lower_bound(
      std::min(std::pair(stage + 1, uint64_t{0}),
               std::pair(position_.stage, position_.step)));
  if (it == commits_.begin()) return metrics;
  --it;
  if (it->first.first != stage) return metrics;
  const nlohmann::json line =
      ParseJson<nlohmann::json>(it->second.metrics_line).value_or(nullptr);
  if (!line.is_object()) return metrics;
  for (const auto& [name, value] : line.items()) {
    if (value.is_number()) metrics[name] = value.get<double>();
  }
  return metrics;
}

absl::StatusOr<History::Committed> History::Commit(const CommitRecord& commit,
                                                   double stage_seconds) {
  const std::pair key(commit.stage, commit.step);
  const std::pair next(position_.stage, position_.step);
  const auto known = commits_.find(key);
  if (known != commits_.end() && (known->second.weights != commit.weights ||
                                  known->second.chain != commit.chain)) {
    return absl::DataLossError(absl::StrCat(
        "stage ", commit.stage, " step ", commit.step,
        " was committed before with weights ", known->second.weights.Hex(),
        " and chain ", known->second.chain.Hex(), "; computed again it gave ",
        commit.weights.Hex(), " and ", commit.chain.Hex()));
  }
  const bool recorded = known != commits_.end();
  if (recorded && key < next) return Committed::kAgain;
  if (key != next) {
    return absl::FailedPreconditionError(
        absl::StrCat("stage ", commit.stage, " step ", commit.step,
                     " is not the next one, which is stage ", next.first,
                     " step ", next.second));
  }
  AHA_RETURN_IF_ERROR(store_->PutCommit(commit, stage_seconds));
  commits_[key] = commit;
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

void History::Advance() {
  ++position_.stage;
  position_.step = 0;
  SkipFinishedEvals();
}

std::optional<Hash128> History::KnownWeights(uint32_t stage,
                                             uint64_t version) const {
  if (version == 0) return std::nullopt;
  const auto it = commits_.find({stage, version - 1});
  if (it == commits_.end()) return std::nullopt;
  return it->second.weights;
}

}  // namespace aha::coordinator
