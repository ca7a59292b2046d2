// Stages of kind grpo: a step turns the groups of the step into the next
// version.
//
// Each rank works on its own groups, one group after the other in slot order.
// A group is packed by itself, so a gradient term never depends on how groups
// are dealt to ranks.  Gradients are summed as integers
// (model/gradient_sum.h), statistics in slot order.  Hence the result is the
// same bits for any number of ranks.
//
// On the way every recorded log-probability is compared, as bits, with the one
// that the sampling version gives here.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/options.h"
#include "job/scored_group.h"
#include "learner/bytes.h"
#include "learner/group_facts.h"
#include "learner/stages/kinds.h"
#include "learner/step_rewards.h"
#include "learner/trajectory.h"
#include "rl/advantage.h"
#include "rl/checksum.h"
#include "rl/losses.h"
#include "rl/packing.h"

namespace aha::learner {
namespace {

// The largest number of tokens of one forward and backward pass.  It decides
// the result, since the gradient of a pass is rounded once.  A pass keeps at
// most LayerTape::kMaxKeptBytes or, beyond it, the inputs of the layers: 140 MB
// for 2048 tokens of a 135M model.
constexpr int64_t kMicroBatchTokens = 2048;

bool IsTruncated(const v1::Trajectory& trajectory) {
  return trajectory.finish_reason() == v1::FINISH_REASON_LENGTH;
}

// The completions of one forward and backward pass.
struct Batch {
  std::vector<TrainSequence> sequences;
  std::vector<std::vector<float>> recorded;
  std::vector<float> advantages;
  std::vector<bool> truncated;
  uint32_t first_sample = 0;

  // Calls visit(i, offset of the i-th completion's first token).
  template <class Visit>
  void ForEach(Visit&& visit) const {
    size_t offset = 0;
    for (size_t i = 0; i < recorded.size(); ++i) {
      visit(i, offset);
      offset += recorded[i].size();
    }
  }

  void Compare(absl::Span<const float> computed, Comparison* result) const {
    ForEach([&](size_t i, size_t offset) {
      result->Add(first_sample + static_cast<uint32_t>(i), recorded[i],
                  computed.subspan(offset, recorded[i].size()));
    });
  }

  // Loss and its derivative of every completion; `reference` may be empty.
  absl::Status Loss(const LossOptions& options,
                    absl::Span<const float> reference,
                    const TargetScores& scores, absl::Span<float> dloss,
                    GroupFacts* facts) const {
    absl::Status status;
    ForEach([&](size_t i, size_t offset) {
      const size_t length = recorded[i].size();
      if (!status.ok()) return;
      status =
          SequenceLoss(options,
                       {.logprobs = scores.logprobs.subspan(offset, length),
                        .old_logprobs = recorded[i],
                        .ref_logprobs = reference.empty()
                                            ? reference
                                            : reference.subspan(offset, length),
                        .advantage = advantages[i],
                        .truncated = truncated[i]},
                       dloss.subspan(offset, length), &facts->sums);
      for (size_t t = 0; t < length; ++t) {
        facts->entropy += scores.entropies[offset + t];
      }
    });
    return status;
  }
};

Batch BatchOf(const v1::ScoredGroup& group, const MicroBatch& range,
              absl::Span<const float> advantages) {
  Batch batch;
  batch.first_sample = static_cast<uint32_t>(range.begin);
  for (int64_t i = range.begin; i < range.end; ++i) {
    const v1::Trajectory& trajectory =
        group.trajectories(static_cast<int>(i)).trajectory();
    batch.sequences.push_back(SequenceOf(group.context(), trajectory));
    batch.recorded.push_back(LogProbsOf(trajectory));
    batch.advantages.push_back(advantages[static_cast<size_t>(i)]);
    batch.truncated.push_back(IsTruncated(trajectory));
  }
  return batch;
}

std::string RolloutLines(const v1::ScoredGroup& group,
                         const Tokenizer& tokenizer,
                         absl::Span<const float> advantages) {
  const std::vector<int32_t> prompt(group.context().prompt_token_ids().begin(),
                                    group.context().prompt_token_ids().end());
  const std::string rendered = tokenizer.Decode(prompt);
  std::string lines;
  for (size_t i = 0; i < advantages.size(); ++i) {
    lines +=
        MakeRolloutLine(group.context(), rendered,
                        group.trajectories(static_cast<int>(i)), advantages[i]);
  }
  return lines;
}

struct GrpoSettings {
  uint32_t stage = 0;
  uint32_t slots = 0;  // Groups of a step, over all ranks: prompts_per_step.
  float temperature = 1;
  LossOptions loss;
  AdvantageOptions advantage;
};

absl::StatusOr<GrpoSettings> GrpoSettingsOf(const StageOfJob& of) {
  const v1::Grpo& grpo = of.settings().grpo();
  GrpoSettings settings;
  settings.stage = of.stage;
  settings.slots = of.stage_plan().groups;
  settings.temperature =
      static_cast<float>(of.plan.job.sampling().temperature());
  AHA_ASSIGN_OR_RETURN(settings.loss, LossOptionsOf(of.plan.job, grpo));
  AHA_ASSIGN_OR_RETURN(settings.advantage, AdvantageOptionsOf(grpo));
  return settings;
}

class GrpoWork : public StageWork {
 public:
  GrpoWork(const GrpoSettings& settings, const Tokenizer& tokenizer,
           ModelState* state)
      : settings_(settings), tokenizer_(tokenizer), state_(*state) {}

  absl::StatusOr<StepResult> Step(
      uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
      const Hash128& chain, comm::Communicator& comm) override;

 private:
  // What this rank made of its groups.
  struct Trained {
    std::vector<GroupFacts> facts;
    std::string rollouts;  // Each group's lines behind their length.
  };

  absl::StatusOr<Trained> TrainGroups(
      absl::Span<const v1::ScoredGroup* const> groups,
      const StepRewards& rewards);
  absl::StatusOr<GroupFacts> TrainGroup(const v1::ScoredGroup& group,
                                        absl::Span<const float> advantages);
  absl::Status TrainMicroBatch(const v1::ScoredGroup& group,
                               const MicroBatch& range,
                               absl::Span<const float> advantages,
                               GroupFacts* facts);
  // The lines of all ranks in slot order, on rank 0.
  absl::StatusOr<std::string> GatherRollouts(const std::string& mine,
                                             comm::Communicator& comm) const;

  const GrpoSettings settings_;
  const Tokenizer& tokenizer_;
  ModelState& state_;
};

absl::Status GrpoWork::TrainMicroBatch(const v1::ScoredGroup& group,
                                       const MicroBatch& range,
                                       absl::Span<const float> advantages,
                                       GroupFacts* facts) {
  const Batch batch = BatchOf(group, range, advantages);
  std::vector<float> reference;
  if (Backprop* backprop = state_.reference()) {
    AHA_ASSIGN_OR_RETURN(
        reference, backprop->LogProbs(batch.sequences, settings_.temperature));
  }
  // An older sampling version needs a forward pass of its own; the current
  // one's log-probabilities come with the training pass.
  Backprop* const sampler = state_.previous();
  if (sampler != nullptr) {
    AHA_ASSIGN_OR_RETURN(
        const std::vector<float> computed,
        sampler->LogProbs(batch.sequences, settings_.temperature));
    batch.Compare(computed, &facts->comparison);
  }
  return state_.current().Accumulate(
      batch.sequences, settings_.temperature,
      [&](const TargetScores& scores, absl::Span<float> dloss) {
        if (sampler == nullptr) {
          batch.Compare(scores.logprobs, &facts->comparison);
        }
        return batch.Loss(settings_.loss, reference, scores, dloss, facts);
      },
      &state_.sums());
}

absl::StatusOr<GroupFacts> GrpoWork::TrainGroup(
    const v1::ScoredGroup& group, absl::Span<const float> advantages) {
  GroupFacts facts;
  facts.slot = group.context().key().slot();
  facts.digest = DigestOf(group);
  facts.min_length = std::numeric_limits<int64_t>::max();
  const int64_t prompt = group.context().prompt_token_ids_size();
  std::vector<int64_t> lengths;
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    const int64_t length = scored.trajectory().token_ids_size();
    lengths.push_back(prompt + length);
    facts.prompt_tokens += prompt;
    facts.min_length = std::min(facts.min_length, length);
    facts.max_length = std::max(facts.max_length, length);
    facts.truncated += IsTruncated(scored.trajectory());
  }
  for (const MicroBatch& range : PackMicroBatches(lengths, kMicroBatchTokens)) {
    AHA_RETURN_IF_ERROR(TrainMicroBatch(group, range, advantages, &facts));
  }
  return facts;
}

absl::StatusOr<std::string> GrpoWork::GatherRollouts(
    const std::string& mine, comm::Communicator& comm) const {
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.GatherBytes("rollouts", 0, mine));
  std::string lines;
  if (comm.rank() != 0) return lines;
  std::vector<absl::string_view> rest(ranks.begin(), ranks.end());
  for (uint32_t slot = 0; slot < settings_.slots; ++slot) {
    absl::string_view& bytes = rest[slot % rest.size()];
    uint64_t size = 0;
    if (!TakeBytes(&bytes, &size) || bytes.size() < size) {
      return absl::InternalError(absl::StrCat(
          "rollouts of rank ", slot % rest.size(), " are malformed"));
    }
    absl::StrAppend(&lines, bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return lines;
}

absl::StatusOr<GrpoWork::Trained> GrpoWork::TrainGroups(
    absl::Span<const v1::ScoredGroup* const> groups,
    const StepRewards& rewards) {
  Trained trained;
  for (const v1::ScoredGroup* group : groups) {
    const absl::Span<const double> row =
        rewards.OfSlot(group->context().key().slot());
    std::vector<float> advantages(row.size());
    AHA_RETURN_IF_ERROR(GroupAdvantages(settings_.advantage, row,
                                        rewards.deviation,
                                        absl::MakeSpan(advantages)));
    AHA_ASSIGN_OR_RETURN(trained.facts.emplace_back(),
                         TrainGroup(*group, advantages));
    const std::string lines = RolloutLines(*group, tokenizer_, advantages);
    AppendBytes(&trained.rollouts, uint64_t{lines.size()});
    trained.rollouts += lines;
  }
  return trained;
}

absl::StatusOr<StepResult> GrpoWork::Step(
    uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
    const Hash128& chain, comm::Communicator& comm) {
  AHA_ASSIGN_OR_RETURN(
      const StepRewards rewards,
      ExchangeRewards(settings_.slots, settings_.advantage.ddof, groups, comm));
  state_.sums().Clear();
  AHA_ASSIGN_OR_RETURN(const Trained mine, TrainGroups(groups, rewards));
  AHA_ASSIGN_OR_RETURN(const std::vector<GroupFacts> facts,
                       ExchangeFacts(settings_.slots, mine.facts, comm));
  AHA_ASSIGN_OR_RETURN(
      const UpdateResult update,
      state_.Update(step, StepDenominator(settings_.loss, TotalOf(facts)),
                    comm));

  StepResult result;
  std::vector<Hash128> digests;
  for (const GroupFacts& one : facts) {
    result.slots.push_back(one.slot);
    digests.push_back(one.digest);
    result.tokens_compared += one.comparison.compared;
    result.tokens_differing += one.comparison.differing;
  }
  result.tokens = TokensOf(facts);
  result.first_difference = FirstDifference(step, facts);
  result.weights_checksum = WeightsChecksum(state_.weights());
  result.chain =
      NextChain(chain, settings_.stage, step, digests, result.weights_checksum);
  rewards.FillMetrics(&result.metrics);
  FillMetrics(settings_.loss, facts, &result.metrics);
  result.metrics["grad_norm"] = update.grad_norm;
  result.metrics["learning_rate"] = update.learning_rate;
  AHA_RETURN_IF_ERROR(CompareChecksums(result.chain, step + 1, comm));
  AHA_ASSIGN_OR_RETURN(result.rollouts, GatherRollouts(mine.rollouts, comm));
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StageWork>> OpenGrpo(const StageOfJob& of,
                                                    uint64_t first_step,
                                                    ModelState* state) {
  const v1::Grpo& grpo = of.settings().grpo();
  const StagePlan& plan = of.stage_plan();
  AHA_ASSIGN_OR_RETURN(const GrpoSettings settings, GrpoSettingsOf(of));
  AHA_RETURN_IF_ERROR(state->BeginStage({.optimizer = grpo.optimizer(),
                                         .steps = plan.steps,
                                         .keep_previous = plan.lag > 0,
                                         .keep_reference = grpo.beta() > 0},
                                        first_step));
  return std::make_unique<GrpoWork>(settings, *of.setup.tokenizer, state);
}

}  // namespace aha::learner
