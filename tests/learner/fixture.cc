#include "tests/learner/fixture.h"

#include <cstring>
#include <thread>

#include "base/rng.h"
#include "comm/local.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "learner/trajectory.h"
#include "rl/schedule.h"

namespace aha::learner {
namespace {

constexpr char kJob[] = R"pb(
  name: "tiny"
  seed: 5
  model {
    dtype: "fp32"
    architecture {
      hidden_size: 32
      intermediate_size: 48
      num_hidden_layers: 2
      num_attention_heads: 2
      num_key_value_heads: 1
      max_position_embeddings: 64
    }
  }
  prompts { generated { kinds: "sums" min_operations: 2 max_operations: 3 } }
  rewards { type: "accuracy" name: "accuracy" weight: 1 }
  rewards { type: "format" name: "format" weight: 0.5 }
  sampling { max_completion_length: 16 }
  stages {
    name: "pretrain"
    type: "sft"
    sft {
      steps: 4
      documents_per_step: 8
      documents_per_micro_batch: 2
      optimizer { learning_rate: 0.01 }
    }
  }
  stages {
    name: "before"
    type: "eval"
    eval { prompts: 4 }
  }
  stages {
    name: "rl"
    type: "grpo"
    grpo {
      steps: 4
      prompts_per_step: 4
      num_generations: 3
      optimizer { learning_rate: 0.003 weight_decay: 0.1 }
    }
  }
  checkpoint { every_steps: 2 keep: 2 }
  cluster { wait_seconds: 30 }
)pb";

}  // namespace

v1::Job TinyJob() {
  v1::Job job;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kJob, &job));
  return job;
}

ModelSetup MakeSetup(const v1::Job& job) {
  absl::StatusOr<ModelSetup> setup = SetUpModel(job.model());
  EXPECT_TRUE(setup.ok()) << setup.status();
  return *std::move(setup);
}

std::unique_ptr<ModelState> FreshState(const v1::Job& job,
                                       const ModelSetup& setup,
                                       ThreadPool* pool,
                                       const Sharding& sharding) {
  auto state =
      ModelState::Create(setup.config, setup.dtype, ops::CpuContext{pool});
  EXPECT_TRUE(state.ok()) << state.status();
  absl::StatusOr<Parameters> weights = StartingWeights(job, setup);
  EXPECT_TRUE(weights.ok()) << weights.status();
  const absl::Status reset = (*state)->Reset(*std::move(weights), sharding);
  EXPECT_TRUE(reset.ok()) << reset;
  return *std::move(state);
}

v1::ScoredGroup MakeGroup(const v1::Job& job, Backprop& sampler, uint64_t step,
                          uint32_t slot) {
  const v1::Grpo& grpo = job.stages(kGrpoStage).grpo();
  const RandomKey random(job.seed(), RandomPurpose::kTest, step, slot);
  uint64_t next = 0;
  v1::ScoredGroup group;
  v1::GroupContext& context = *group.mutable_context();
  context.mutable_key()->set_stage(kGrpoStage);
  context.mutable_key()->set_step(step);
  context.mutable_key()->set_slot(slot);
  context.mutable_policy()->set_stage(kGrpoStage);
  context.mutable_policy()->set_version(
      SamplingVersion(step, static_cast<uint64_t>(grpo.lag())));
  context.set_num_generations(static_cast<uint32_t>(grpo.num_generations()));
  context.set_prompt("1+2?");
  context.set_epoch(1);
  for (int i = 0; i < 4; ++i) {
    context.add_prompt_token_ids(
        static_cast<int32_t>(random.Below(next++, 20)));
  }
  for (int sample = 0; sample < grpo.num_generations(); ++sample) {
    v1::ScoredTrajectory& scored = *group.add_trajectories();
    v1::Trajectory& trajectory = *scored.mutable_trajectory();
    trajectory.set_sample(static_cast<uint32_t>(sample));
    const uint32_t length = 1 + random.Below(next++, 12);
    for (uint32_t t = 0; t < length; ++t) {
      trajectory.add_token_ids(static_cast<int32_t>(random.Below(next++, 20)));
    }
    const bool cut = random.Below(next++, 4) == 0;
    trajectory.set_finish_reason(cut ? v1::FINISH_REASON_LENGTH
                                     : v1::FINISH_REASON_STOP);
    for (const char* name : {"accuracy", "format"}) {
      v1::RewardPart& part = *scored.add_parts();
      part.set_name(name);
      part.set_value(random.Below(next++, 2));
      scored.set_reward(scored.reward() + part.value());
    }
    const std::vector<TrainSequence> one{SequenceOf(context, trajectory)};
    const auto logprobs = sampler.LogProbs(one, 1.0f);
    EXPECT_TRUE(logprobs.ok()) << logprobs.status();
    trajectory.set_logprobs(logprobs->data(), logprobs->size() * sizeof(float));
  }
  return group;
}

std::vector<v1::ScoredGroup> MakeGroups(const v1::Job& job, Backprop& sampler,
                                        uint64_t step, int rank, int ranks) {
  std::vector<v1::ScoredGroup> groups;
  const int slots = job.stages(kGrpoStage).grpo().prompts_per_step();
  for (int slot = rank; slot < slots; slot += ranks) {
    groups.push_back(
        MakeGroup(job, sampler, step, static_cast<uint32_t>(slot)));
  }
  return groups;
}

std::vector<const v1::ScoredGroup*> Pointers(
    const std::vector<v1::ScoredGroup>& groups) {
  std::vector<const v1::ScoredGroup*> pointers;
  for (const v1::ScoredGroup& group : groups) pointers.push_back(&group);
  return pointers;
}

void OnRanks(int ranks, const std::function<void(comm::Communicator&)>& body) {
  auto group = comm::NewLocalRanks(ranks, absl::Seconds(60));
  ASSERT_TRUE(group.ok()) << group.status();
  std::vector<std::thread> threads;
  for (std::unique_ptr<comm::Communicator>& comm : *group) {
    threads.emplace_back([&body, &comm] { body(*comm); });
  }
  for (std::thread& thread : threads) thread.join();
}

void WholeState::AddShard(const ModelState& state) {
  const comm::Shard& shard = state.shard();
  const int64_t begin = static_cast<int64_t>(shard.begin);
  const auto mine = [&](std::vector<float>& all) {
    return absl::MakeSpan(all).subspan(shard.begin, shard.size());
  };
  state.CopyMaster(begin, mine(master));
  state.CopyM(begin, mine(m));
  state.CopyV(begin, mine(v));
  if (state.sharding().rank != 0) return;
  weights.assign(static_cast<const char*>(state.weights().data()),
                 static_cast<size_t>(state.weights().bytes()));
}

bool SameBytes(const WholeState& a, const WholeState& b) {
  const auto same = [](const std::vector<float>& x,
                       const std::vector<float>& y) {
    return x.size() == y.size() && !x.empty() &&
           std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  };
  return !a.weights.empty() && a.weights == b.weights &&
         same(a.master, b.master) && same(a.m, b.m) && same(a.v, b.v);
}

}  // namespace aha::learner
