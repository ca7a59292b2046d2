#include "learner/grpo_step.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/options.h"
#include "learner/bytes.h"
#include "learner/step_rewards.h"
#include "learner/trajectory.h"
#include "rl/checksum.h"

namespace aha::learner {
namespace {

// Tokens of one forward and backward pass.  Part of the result: a pass's
// gradient is rounded once.  What a pass keeps is bounded by
// LayerTape::kMaxKeptBytes or, beyond it, the layers' inputs: 140 MB for 2048
// tokens of a 135M model.
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
                         absl::Span<const float> advantages) {
  std::string lines;
  for (size_t i = 0; i < advantages.size(); ++i) {
    lines +=
        RolloutLine(group.context(), group.trajectories(static_cast<int>(i)),
                    advantages[i]);
  }
  return lines;
}

}  // namespace

absl::StatusOr<GrpoSettings> GrpoSettings::FromJob(const v1::Job& job,
                                                   uint32_t stage) {
  const v1::Grpo& grpo = job.stages(static_cast<int>(stage)).grpo();
  GrpoSettings settings;
  settings.stage = stage;
  settings.slots = static_cast<uint32_t>(grpo.prompts_per_step());
  settings.temperature = static_cast<float>(job.sampling().temperature());
  AHA_ASSIGN_OR_RETURN(settings.loss, LossOptionsOf(job, grpo));
  AHA_ASSIGN_OR_RETURN(settings.advantage, AdvantageOptionsOf(grpo));
  return settings;
}

absl::Status GrpoStep::TrainMicroBatch(const v1::ScoredGroup& group,
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

absl::StatusOr<GroupFacts> GrpoStep::TrainGroup(
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

absl::StatusOr<std::string> GrpoStep::GatherRollouts(
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

absl::StatusOr<StepResult> GrpoStep::Run(
    uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
    const Hash128& chain, comm::Communicator& comm) {
  AHA_ASSIGN_OR_RETURN(
      const StepRewards rewards,
      ExchangeRewards(settings_.slots, settings_.advantage.ddof, groups, comm));
  state_.sums().Clear();
  std::vector<GroupFacts> mine;
  std::string lines;
  for (const v1::ScoredGroup* group : groups) {
    const absl::Span<const double> row =
        rewards.OfSlot(group->context().key().slot());
    std::vector<float> advantages(row.size());
    AHA_RETURN_IF_ERROR(GroupAdvantages(settings_.advantage, row,
                                        rewards.deviation,
                                        absl::MakeSpan(advantages)));
    AHA_ASSIGN_OR_RETURN(mine.emplace_back(), TrainGroup(*group, advantages));
    const std::string text = RolloutLines(*group, advantages);
    AppendBytes(&lines, uint64_t{text.size()});
    lines += text;
  }
  AHA_ASSIGN_OR_RETURN(const std::vector<GroupFacts> facts,
                       ExchangeFacts(settings_.slots, mine, comm));
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
  AHA_ASSIGN_OR_RETURN(result.rollouts, GatherRollouts(lines, comm));
  return result;
}

}  // namespace aha::learner
