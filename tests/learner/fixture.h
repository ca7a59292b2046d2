// A tiny job, its model, and groups that an actor could have sampled.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aha/v1/job.pb.h"
#include "aha/v1/rollout.pb.h"
#include "base/thread_pool.h"
#include "comm/communicator.h"
#include "job/model_setup.h"
#include "learner/model_state.h"

namespace aha::learner {

// Three stages: sft (4 steps), eval, grpo (4 steps of 4 groups of 3).
v1::Job TinyJob();
constexpr uint32_t kSftStage = 0;
constexpr uint32_t kEvalStage = 1;
constexpr uint32_t kGrpoStage = 2;

ModelSetup MakeSetup(const v1::Job& job);
std::unique_ptr<ModelState> FreshState(const v1::Job& job,
                                       const ModelSetup& setup,
                                       ThreadPool* pool,
                                       const Sharding& sharding = {});

// The group of a slot, as the policy in `sampler` gives it: tokens and rewards
// are random, log-probabilities the policy's.
v1::ScoredGroup MakeGroup(const v1::Job& job, Backprop& sampler, uint64_t step,
                          uint32_t slot);
// Those of `rank`, by slot.
std::vector<v1::ScoredGroup> MakeGroups(const v1::Job& job, Backprop& sampler,
                                        uint64_t step, int rank, int ranks);
std::vector<const v1::ScoredGroup*> Pointers(
    const std::vector<v1::ScoredGroup>& groups);

// Runs `body` for each of `ranks` local ranks, each on its thread.
void OnRanks(int ranks, const std::function<void(comm::Communicator&)>& body);

// The state of all ranks put together, to compare runs on different numbers of
// ranks.  Ranks add their shards at the same time.
struct WholeState {
  explicit WholeState(int64_t count)
      : master(static_cast<size_t>(count)), m(master), v(master) {}

  void AddShard(const ModelState& state);

  std::string weights;  // Rank 0's.
  std::vector<float> master, m, v;
};

bool SameBytes(const WholeState& a, const WholeState& b);

}  // namespace aha::learner
