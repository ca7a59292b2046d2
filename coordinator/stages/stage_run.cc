#include "coordinator/stages/stage_run.h"

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/log_status.h"
#include "rl/schedule.h"

namespace aha::coordinator {

StageRun::StageRun(const StageParts& parts)
    : parts_(parts),
      stage_(parts.history->position().stage),
      first_step_(parts.history->position().step),
      plan_(parts.plan->stages[stage_]) {
  if (!plan_.samples()) return;
  ledger_.emplace(LedgerOptions{.first_step = first_step_,
                                .steps = plan_.steps,
                                .groups = plan_.groups,
                                .lag = plan_.lag,
                                .lease = parts_.plan->lease,
                                .first_lease_id = parts_.first_lease_id},
                  parts_.clock);
}

std::string StageRun::Name() const {
  return absl::StrCat("stage ", stage_, " (", plan_.name, ")");
}

absl::Status StageRun::AdmitVersion(uint64_t version) const {
  const uint64_t lowest = SamplingVersion(first_step_, plan_.lag);
  const uint64_t highest = NewestVersion();
  if (version >= lowest && version <= highest) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "id: version must be ", lowest, " to ", highest, " now, got ", version));
}

absl::Status StageRun::VersionArrived(uint64_t version) {
  if (version > first_step_) return absl::OkStatus();
  const WeightsId id{.stage = stage_, .version = version};
  const auto info = parts_.weights->Find(id);
  if (!info.has_value()) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(const auto known,
                       history().KnownWeights(stage_, version));
  if (known.has_value() && *known != info->checksum) {
    return absl::DataLossError(absl::StrCat(
        "stage ", stage_, " version ", version, " was committed with weights ",
        known->Hex(), ", published again it has ", info->checksum.Hex()));
  }
  AHA_RETURN_IF_ERROR(parts_.weights->Commit(id));
  // The weights of earlier stages are needed no more.
  parts_.weights->DropBelow({.stage = stage_, .version = 0});
  MakeVisible(version);
  if (version == first_step_) started_ = true;
  return absl::OkStatus();
}

void StageRun::MakeVisible(uint64_t version) {
  if (ledger_.has_value()) ledger_->MakeVisible(version);
  parts_.recorder->ShowVersion(version);
}

std::optional<LeasedGroup> StageRun::Lease(uint64_t member,
                                           uint64_t last_step) {
  return ledger_->Lease(member, {.last_step = last_step});
}

absl::StatusOr<bool> StageRun::Deliver(const v1::ScoredGroup& group) {
  return absl::FailedPreconditionError(absl::StrCat(
      "key: slot ", group.context().key().slot(),
      " belongs to a learner: ", Name(), " collects no groups here"));
}

bool StageRun::step_in_progress() const {
  return begun_step_ == history().position().step;
}

absl::Status StageRun::CheckCommit(const CommitRecord& commit) const {
  return absl::FailedPreconditionError(
      absl::StrCat("step: ", Name(), " has no step ", commit.step));
}

void StageRun::Commit(const CommitRecord&) {}

}  // namespace aha::coordinator
