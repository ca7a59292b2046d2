// A controller on a temporary run directory, and members that follow a script:
// weights and chains are pure functions of (stage, version), as the promise
// wants, unless a test says otherwise.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/job.pb.h"
#include "coordinator/controller.h"
#include "gtest/gtest.h"
#include "run/manifest.h"
#include "run/writer.h"
#include "tests/temp_dir.h"

namespace aha::coordinator {

inline Hash128 HashOf(const std::string& text) {
  return HashBytes(text.data(), text.size());
}

inline std::string WeightsOf(WeightsId id, const std::string& salt = "") {
  return absl::StrCat("weights ", id.stage, " ", id.version, salt);
}

inline Hash128 ChainAfter(uint32_t stage, uint64_t step) {
  return HashOf(absl::StrCat("chain ", stage, " ", step));
}

// grpo (3 steps of 2 groups of 2), then eval (2 prompts), or as the test says.
inline v1::Job TinyJob() {
  v1::Job job;
  job.set_name("tiny");
  job.add_rewards()->set_type("accuracy");
  v1::Stage& grpo = *job.add_stages();
  grpo.set_name("grpo");
  grpo.set_type("grpo");
  grpo.mutable_grpo()->set_steps(3);
  grpo.mutable_grpo()->set_prompts_per_step(2);
  grpo.mutable_grpo()->set_num_generations(2);
  v1::Stage& eval = *job.add_stages();
  eval.set_name("after");
  eval.set_type("eval");
  eval.mutable_eval()->set_prompts(2);
  job.mutable_cluster()->set_lease_seconds(30);
  job.mutable_cluster()->set_wait_seconds(100);
  return job;
}

inline v1::ScoredGroup Scored(const v1::GroupContext& context, double value) {
  v1::ScoredGroup group;
  *group.mutable_context() = context;
  for (uint32_t i = 0; i < context.num_generations(); ++i) {
    v1::ScoredTrajectory& scored = *group.add_trajectories();
    scored.mutable_trajectory()->set_sample(i);
    scored.mutable_trajectory()->add_token_ids(7);
    scored.mutable_trajectory()->set_logprobs(std::string(4, '\x81'));
    scored.mutable_trajectory()->set_finish_reason(v1::FINISH_REASON_STOP);
    scored.add_parts()->set_value(value);
  }
  return group;
}

class FakeCluster {
 public:
  explicit FakeCluster(const v1::Job& job = TinyJob()) {
    plan_ = MakePlan(job);
  }

  // Opens the run directory as a new coordinator would.
  void Start() {
    controller_.reset();
    weights_.reset();
    store_.reset();
    directory_.reset();
    directory_ = *run::RunWriter::Open(dir_.path());
    store_ = *StateStore::Open(directory_->File("coordinator.db"));
    weights_ = *WeightsStore::Open(directory_->File("weights"));
    Parts parts;
    parts.plan = &plan_;
    parts.directory = directory_.get();
    parts.store = store_.get();
    parts.weights = weights_.get();
    parts.prompts = [](uint32_t stage, uint64_t step, uint32_t slot) {
      const std::string id = absl::StrCat(stage, ".", step, ".", slot);
      return SlotPrompt{.id = id,
                        .prompt = "p" + id,
                        .reference = "r" + id,
                        .fields = {{"tests", "[1]"}, {"level", "3"}}};
    };
    parts.clock = [this] { return now_; };
    parts.wall_clock = parts.clock;
    auto controller =
        Controller::New({.job = {.epoch = ++epoch_, .lingers = lingers_},
                         .heartbeat = absl::Seconds(1)},
                        std::move(parts));
    ASSERT_TRUE(controller.ok()) << controller.status();
    controller_ = *std::move(controller);
    controller_->SetAddress("coordinator:1");
  }

  uint64_t Join(v1::Role role, uint32_t index,
                const std::string& incarnation = "i") {
    v1::RegisterRequest request;
    request.set_role(role);
    request.set_name(absl::StrCat(RoleName(role), "-", index));
    request.set_incarnation(incarnation);
    if (role != v1::ROLE_ACTOR) {
      request.set_address(absl::StrCat(RoleName(role), ":", index));
    }
    if (role == v1::ROLE_LEARNER) request.set_rank(index);
    if (role != v1::ROLE_REWARD) {
      request.mutable_certificate()->set_digest("same");
      request.mutable_certificate()->set_numeric_class("class A");
    }
    const auto response = controller_->Register(request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->member_id() : 0;
  }
  void JoinAll() {
    for (uint32_t rank = 0; rank < plan_.learners; ++rank) {
      learners_[rank] = Join(v1::ROLE_LEARNER, rank);
    }
    reward_ = Join(v1::ROLE_REWARD, 0);
    actor_ = Join(v1::ROLE_ACTOR, 0);
  }

  // "wait", "stop", or "stage/first_step@checkpoint".
  std::string NextStage(uint32_t rank = 0) {
    controller_->Recover();
    return AskStage(rank);
  }
  // The same without the search for a checkpoint.
  std::string AskStage(uint32_t rank = 0) {
    v1::NextStageRequest request;
    request.set_member_id(learners_[rank]);
    request.set_epoch(epoch_);
    next_.Clear();
    const auto answered = controller_->TryNextStage(request, &next_);
    if (!answered.ok()) return answered.status().ToString();
    if (!*answered) return "wait";
    if (next_.directive() == v1::DIRECTIVE_STOP) return "stop";
    return absl::StrCat(next_.stage(), "/", next_.first_step(), "@",
                        next_.checkpoint());
  }

  absl::StatusOr<std::string> BeginStep(uint32_t stage, uint64_t step,
                                        uint32_t rank = 0) {
    v1::BeginStepRequest request;
    request.set_member_id(learners_[rank]);
    request.set_epoch(epoch_);
    request.set_stage(stage);
    request.set_step(step);
    v1::BeginStepResponse response;
    const auto answered = controller_->TryBeginStep(request, &response);
    if (!answered.ok()) return answered.status();
    return v1::BeginStepResponse::Go_Name(response.go());
  }

  absl::Status Publish(WeightsId id, const std::string& salt = "") {
    const std::string bytes = WeightsOf(id, salt);
    absl::Status status = controller_->AdmitVersion(id, learners_[0], epoch_);
    if (!status.ok()) return status;
    auto incoming =
        weights_->Begin(id, {.bytes = bytes.size(), .checksum = HashOf(bytes)});
    status = (*incoming)->Append(0, bytes, Hash64(bytes.data(), bytes.size()));
    if (!status.ok()) return status;
    status = weights_->Finish(*std::move(incoming));
    return status.ok() ? controller_->VersionArrived(id) : status;
  }

  v1::CommitStepRequest CommitRequest(uint32_t stage, uint64_t step,
                                      const std::string& salt = "") const {
    const StagePlan& plan = plan_.stages[stage];
    v1::CommitStepRequest request;
    request.set_member_id(learners_[0]);
    request.set_epoch(epoch_);
    request.set_stage(stage);
    request.set_step(step);
    request.set_weights_checksum(
        HashOf(WeightsOf({stage, step + 1}, salt)).ToBytes());
    request.set_chain(ChainAfter(stage, step).ToBytes());
    (*request.mutable_metrics())["reward"] = 0.5;
    for (uint32_t i = 0; i < plan.groups; ++i) request.add_slots(i);
    request.set_stage_done(step + 1 == plan.steps);
    request.set_tokens_compared(10);
    return request;
  }

  // What a learner does in one step, the groups apart.
  absl::Status Step(uint32_t stage, uint64_t step,
                    const std::string& salt = "") {
    const auto go = BeginStep(stage, step);
    if (!go.ok()) return go.status();
    if (*go != "GO") return absl::UnavailableError(*go);
    absl::Status published = Publish({stage, step + 1}, salt);
    if (!published.ok()) return published;
    return controller_->CommitStep(CommitRequest(stage, step, salt));
  }

  std::string CheckpointName(uint32_t stage, uint64_t next_step) const {
    return absl::StrCat("checkpoints/stage-", stage, "-step-", next_step);
  }
  std::string CheckpointPath(uint32_t stage, uint64_t next_step) const {
    return dir_.path() + "/" + CheckpointName(stage, next_step);
  }

  absl::Status Checkpoint(uint32_t stage, uint64_t next_step) {
    const std::string path = CheckpointPath(stage, next_step);
    std::filesystem::create_directories(path + "/model");
    std::ofstream(path + "/model/model.safetensors")
        << WeightsOf({stage, next_step});
    Manifest manifest;
    manifest.job = "tiny";
    manifest.stage = stage;
    manifest.stage_name = plan_.stages[stage].name;
    manifest.next_step = next_step;
    manifest.stage_done = next_step == plan_.stages[stage].steps;
    manifest.dtype = "F32";
    manifest.weights_checksum = HashOf(WeightsOf({stage, next_step}));
    manifest.chain = ChainAfter(stage, next_step - 1);
    manifest.parts = {*MeasurePart(path, "model/model.safetensors")};
    absl::Status status = WriteManifest(path, manifest);
    if (!status.ok()) return status;
    v1::CommitCheckpointRequest request;
    request.set_member_id(learners_[0]);
    request.set_epoch(epoch_);
    request.set_stage(stage);
    request.set_next_step(next_step);
    request.set_directory(CheckpointName(stage, next_step));
    request.set_weights_checksum(manifest.weights_checksum.ToBytes());
    request.set_chain(manifest.chain.ToBytes());
    request.set_stage_done(manifest.stage_done);
    return controller_->CommitCheckpoint(request);
  }

  // All that the actor can get now.
  v1::LeaseGroupsResponse Lease(uint32_t most = 100) {
    v1::LeaseGroupsRequest request;
    request.set_member_id(actor_);
    request.set_epoch(epoch_);
    request.set_max_groups(most);
    v1::LeaseGroupsResponse response;
    const auto answered = controller_->TryLease(request, &response);
    EXPECT_TRUE(answered.ok()) << answered.status();
    return response;
  }

  // Leases, "samples" and delivers the running eval stage.
  void Evaluate(double value = 1) {
    const v1::LeaseGroupsResponse leased = Lease();
    for (const v1::Lease& lease : leased.leases()) {
      const absl::Status status =
          controller_->Deliver(Scored(lease.group(), value));
      EXPECT_TRUE(status.ok()) << status;
    }
  }

  // Every member says that it is alive.
  void Heartbeats() {
    for (const uint64_t id : {learners_[0], learners_[1], reward_, actor_}) {
      if (id == 0) continue;
      v1::HeartbeatRequest request;
      request.set_member_id(id);
      request.set_epoch(epoch_);
      (void)controller_->Heartbeat(request);
    }
  }
  void Pass(absl::Duration time) {
    now_ += time;
    controller_->Tick();
  }

  v1::JobState State() { return controller_->Status().state(); }
  std::string File(const std::string& name) const {
    std::ifstream file(dir_.path() + "/" + name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  TempDir dir_;
  absl::Time now_ = absl::UnixEpoch();
  JobPlan plan_;
  uint64_t epoch_ = 0;
  bool lingers_ = false;  // From the next Start on.
  std::unique_ptr<run::RunWriter> directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<WeightsStore> weights_;
  std::unique_ptr<Controller> controller_;
  uint64_t learners_[2] = {0, 0};
  uint64_t reward_ = 0, actor_ = 0;
  v1::NextStageResponse next_;
};

}  // namespace aha::coordinator
