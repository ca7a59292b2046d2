// A stage run alone: on the files of a run directory, without members, a
// controller or a lock.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "coordinator/stages/stage_run.h"
#include "gtest/gtest.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {

class StageTest : public ::testing::Test {
 protected:
  explicit StageTest(StagePlan stage) {
    plan_.job.set_name("alone");
    plan_.job.add_rewards()->set_type("accuracy");
    plan_.stages = {std::move(stage)};
    Open();
  }

  // Begins the stage as the first process does, or as one after a crash.
  void Open() {
    run_.reset();
    recorder_.reset();
    history_.reset();
    weights_.reset();
    store_.reset();
    directory_.reset();
    directory_ = *run::RunWriter::Open(dir_.path());
    store_ = *StateStore::Open(directory_->File("coordinator.db"));
    weights_ = *WeightsStore::Open(directory_->File("weights"));
    history_ = std::make_unique<History>(*History::Load(&plan_, store_.get()));
    const Clock clock = [this] { return now_; };
    recorder_ = std::make_unique<RunRecorder>(
        RunRecorder::Parts{.plan = &plan_,
                           .directory = directory_.get(),
                           .store = store_.get(),
                           .series = {},
                           .clock = clock,
                           .wall_clock = clock},
        *store_->StageSeconds());
    run_ = *BeginStage({.plan = &plan_,
                        .history = history_.get(),
                        .weights = weights_.get(),
                        .recorder = recorder_.get(),
                        .run_directory = directory_->path(),
                        .clock = clock,
                        .first_lease_id = 7});
  }

  // The version comes in, whole, as from rank 0.
  absl::Status Publish(uint64_t version, const std::string& salt = "") {
    absl::Status admitted = run_->AdmitVersion(version);
    if (!admitted.ok()) return admitted;
    const WeightsId id{.stage = 0, .version = version};
    const std::string bytes = WeightsOf(id, salt);
    auto incoming =
        weights_->Begin(id, {.bytes = bytes.size(), .checksum = HashOf(bytes)});
    absl::Status status =
        (*incoming)->Append(0, bytes, Hash64(bytes.data(), bytes.size()));
    if (status.ok()) status = weights_->Finish(*std::move(incoming));
    return status.ok() ? run_->VersionArrived(version) : status;
  }

  // The slot that is leased next, or nothing.
  std::optional<uint32_t> Lease() {
    const auto group = run_->Lease(/*member=*/1, /*last_step=*/1000);
    if (!group.has_value()) return std::nullopt;
    return group->slot;
  }

  static CommitRecord CommitOf(uint64_t step, const std::string& salt = "") {
    return {.stage = 0,
            .step = step,
            .weights = HashOf(WeightsOf({0, step + 1}, salt)),
            .chain = ChainAfter(0, step)};
  }
  // Records the step, as the job does around the run.
  absl::Status Commit(uint64_t step, const std::string& salt = "") {
    const CommitRecord commit = CommitOf(step, salt);
    absl::Status checked = run_->CheckCommit(commit);
    if (!checked.ok()) return checked;
    checked = history_->Commit(commit, 0).status();
    if (checked.ok()) run_->Commit(commit);
    return checked;
  }

  // A scored group of the slot; what it holds is a function of the slot.
  v1::ScoredGroup Group(uint32_t slot, double value = 1) const {
    v1::GroupContext context;
    context.mutable_key()->set_slot(slot);
    context.set_num_generations(plan_.stages[0].num_generations);
    context.set_prompt_id(absl::StrCat("prompt-", slot));
    context.set_prompt(absl::StrCat("What is ", slot, "?"));
    context.set_reference(absl::StrCat(slot));
    context.add_prompt_token_ids(static_cast<int32_t>(slot));
    v1::ScoredGroup group = Scored(context, value);
    for (v1::ScoredTrajectory& scored : *group.mutable_trajectories()) {
      v1::Trajectory& trajectory = *scored.mutable_trajectory();
      trajectory.set_completion(
          absl::StrCat("It is ", slot, ".", trajectory.sample()));
      trajectory.set_finish_reason(v1::FINISH_REASON_STOP);
      scored.set_reward(value + 0.1 * slot + 0.25 * trajectory.sample());
      scored.mutable_parts(0)->set_name("accuracy");
    }
    return group;
  }

  TempDir dir_;
  absl::Time now_ = absl::UnixEpoch();
  JobPlan plan_;
  std::unique_ptr<run::RunWriter> directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<WeightsStore> weights_;
  std::unique_ptr<History> history_;
  std::unique_ptr<RunRecorder> recorder_;
  std::unique_ptr<StageRun> run_;
};

}  // namespace aha::coordinator
