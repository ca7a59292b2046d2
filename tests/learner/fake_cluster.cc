#include "tests/learner/fake_cluster.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "job/plan.h"
#include "rl/schedule.h"

namespace aha::learner {

// A published version, ready to sample.
struct FakeCluster::Sampler {
  Hash128 checksum;
  ThreadPool pool{1};
  std::unique_ptr<Policy> policy;
  std::unique_ptr<Backprop> backprop;
};

class FakeCluster::RankView : public Cluster {
 public:
  RankView(FakeCluster* cluster, int rank) : cluster_(*cluster), rank_(rank) {}

  absl::StatusOr<v1::NextStageResponse> NextStage() override {
    return cluster_.NextStage(rank_);
  }
  absl::StatusOr<v1::BeginStepResponse::Go> BeginStep(uint32_t stage,
                                                      uint64_t step) override {
    return cluster_.BeginStep({stage, step});
  }
  absl::StatusOr<uint64_t> Progress(uint32_t stage, uint64_t step) override {
    const absl::Status status = cluster_.BeginStep({stage, step}).status();
    return status.ok() ? absl::StatusOr<uint64_t>(0) : status;
  }
  absl::Status CommitStep(v1::CommitStepRequest request) override {
    return cluster_.CommitStep(request);
  }
  absl::Status CommitCheckpoint(v1::CommitCheckpointRequest request) override {
    return cluster_.CommitCheckpoint(request);
  }
  absl::Status Publish(const WeightsId& id, const Parameters& weights,
                       const Hash128& checksum) override {
    return cluster_.Publish({id.stage, id.version}, weights, checksum);
  }
  void Report(bool fatal, const std::string& message) override {
    MutexLock lock(cluster_.mutex_);
    cluster_.reports_.push_back(
        absl::StrCat(fatal ? "fatal: " : "note: ", message));
  }
  uint64_t epoch() const override { return 1; }
  void SetWaitingFor(const std::string&) override {}

 private:
  FakeCluster& cluster_;
  const int rank_;
};

FakeCluster::FakeCluster(v1::Job job, const ModelSetup* setup, int ranks)
    : job_(std::move(job)), plan_(MakePlan(job_)), setup_(*setup) {
  MakeRanks(ranks);
}

void FakeCluster::MakeRanks(int ranks) {
  buffers_.clear();
  views_.clear();
  for (int rank = 0; rank < ranks; ++rank) {
    buffers_.push_back(std::make_unique<GroupBuffer>(MonotonicClock()));
    views_.push_back(std::make_unique<RankView>(this, rank));
  }
}

FakeCluster::~FakeCluster() = default;

Cluster& FakeCluster::ForRank(int rank) {
  return *views_[static_cast<size_t>(rank)];
}

bool FakeCluster::Trains(uint32_t stage) const {
  return plan_.stages[stage].trains();
}

absl::StatusOr<v1::NextStageResponse> FakeCluster::NextStage(int rank) {
  MutexLock lock(mutex_);
  v1::NextStageResponse response;
  const auto stages = static_cast<uint32_t>(job_.stages_size());
  if (position_.stage_done) {
    ++position_.stage;
    position_.next_step = 0;
    position_.stage_done = false;
  }
  // A stage that does not train is over as soon as its weights are there.
  while (position_.stage < stages && !Trains(position_.stage) &&
         samplers_.contains({position_.stage, 0})) {
    ++position_.stage;
  }
  if (stopped_ || position_.stage == stages) {
    response.set_directive(v1::DIRECTIVE_STOP);
    return response;
  }
  if (!Trains(position_.stage) && rank != 0) return response;
  // A rank may be ahead of rank 0's commit.
  const StepKey now(position_.stage, group_epoch_);
  auto& told = told_[rank];
  if (rank != 0 && told == now) return response;
  told = now;
  response.set_stage_ready(true);
  response.set_stage(position_.stage);
  response.set_first_step(position_.next_step);
  if (checkpoint_) response.set_checkpoint(checkpoint_->directory());
  for (size_t i = 0; i < buffers_.size(); ++i) {
    response.add_learner_addresses(absl::StrCat("127.0.0.1:", 1 + i));
  }
  response.set_group_epoch(group_epoch_);
  response.set_chain(position_.chain.ToBytes());
  return response;
}

bool FakeCluster::DeliverGroups(uint64_t step) {
  const v1::Grpo& grpo = job_.stages(kGrpoStage).grpo();
  const uint64_t version =
      SamplingVersion(step, static_cast<uint64_t>(grpo.lag()));
  const auto sampler = samplers_.find({kGrpoStage, version});
  EXPECT_NE(sampler, samplers_.end()) << "version " << version;
  if (sampler == samplers_.end()) return false;
  for (int slot = 0; slot < grpo.prompts_per_step(); ++slot) {
    v1::ScoredGroup group = MakeGroup(job_, *sampler->second->backprop, step,
                                      static_cast<uint32_t>(slot));
    if (tamper) tamper(group);
    const absl::Status status =
        buffers_[static_cast<size_t>(slot) % buffers_.size()]->Deliver(group);
    if (absl::IsUnavailable(status)) return false;
    EXPECT_TRUE(status.ok()) << status;
  }
  return true;
}

absl::StatusOr<v1::BeginStepResponse::Go> FakeCluster::BeginStep(StepKey key) {
  MutexLock lock(mutex_);
  EXPECT_EQ(key, StepKey(position_.stage, position_.next_step));
  if (stop_at == key) return v1::BeginStepResponse::STOP_AFTER_CHECKPOINT;
  if (key.first == kGrpoStage && !withhold_groups &&
      !DeliverGroups(key.second)) {
    return v1::BeginStepResponse::WAIT;
  }
  return v1::BeginStepResponse::GO;
}

void FakeCluster::GoBack() {
  position_ = {};
  if (checkpoint_) {
    position_.stage = checkpoint_->stage();
    position_.next_step = checkpoint_->next_step();
    position_.stage_done = checkpoint_->stage_done();
    position_.chain = *Hash128::FromBytes(checkpoint_->chain());
  }
  ++group_epoch_;
}

absl::Status FakeCluster::CommitStep(const v1::CommitStepRequest& request) {
  MutexLock lock(mutex_);
  const StepKey key(request.stage(), request.step());
  if (lose_commit == key) {
    lose_commit.reset();
    GoBack();
    return absl::AbortedError("the coordinator went back");
  }
  EXPECT_EQ(key, StepKey(position_.stage, position_.next_step));
  position_.next_step = request.step() + 1;
  position_.stage_done = request.stage_done();
  position_.chain = *Hash128::FromBytes(request.chain());
  commits_.push_back(key);
  if (key.first == kGrpoStage) {
    EXPECT_TRUE(samplers_.contains({key.first, key.second + 1}));
    const StepKey version(key.first, key.second + 1);
    EXPECT_EQ(samplers_[version]->checksum.ToBytes(),
              request.weights_checksum());
  }
  return absl::OkStatus();
}

absl::Status FakeCluster::CommitCheckpoint(
    const v1::CommitCheckpointRequest& request) {
  MutexLock lock(mutex_);
  checkpoint_ = request;
  checkpoints_.push_back(request.directory());
  if (stop_at == StepKey(position_.stage, position_.next_step)) {
    stopped_ = true;
  }
  return absl::OkStatus();
}

absl::Status FakeCluster::Publish(StepKey version, const Parameters& weights,
                                  const Hash128& checksum) {
  auto sampler = std::make_unique<Sampler>();
  sampler->checksum = checksum;
  EXPECT_EQ(checksum, WeightsChecksum(weights));
  sampler->policy = *Policy::Create(setup_.config, setup_.dtype,
                                    ops::CpuContext{&sampler->pool});
  EXPECT_TRUE(sampler->policy->Load(weights).ok());
  sampler->backprop = *Backprop::Create(sampler->policy.get());
  MutexLock lock(mutex_);
  published_.push_back(version);
  auto& known = samplers_[version];
  EXPECT_TRUE(!known || known->checksum == checksum);
  known = std::move(sampler);
  return absl::OkStatus();
}

void FakeCluster::Continue(int ranks) {
  if (ranks > 0) MakeRanks(ranks);
  MutexLock lock(mutex_);
  stopped_ = false;
  stop_at.reset();
  samplers_.clear();
  GoBack();
}

Hash128 FakeCluster::chain() const {
  MutexLock lock(mutex_);
  return position_.chain;
}

std::vector<FakeCluster::StepKey> FakeCluster::commits() const {
  MutexLock lock(mutex_);
  return commits_;
}

std::vector<std::string> FakeCluster::checkpoints() const {
  MutexLock lock(mutex_);
  return checkpoints_;
}

std::vector<FakeCluster::StepKey> FakeCluster::published() const {
  MutexLock lock(mutex_);
  return published_;
}

std::vector<std::string> FakeCluster::reports() const {
  MutexLock lock(mutex_);
  return reports_;
}

bool FakeCluster::finished() const {
  MutexLock lock(mutex_);
  return position_.stage == static_cast<uint32_t>(job_.stages_size());
}

}  // namespace aha::learner
