#include "learner/trajectory.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "job/scored_group.h"
#include "run/rollouts.h"

namespace aha::learner {
namespace {

// How each component judged the completion, if the reward service said so.
std::vector<std::pair<std::string, run::RolloutVerdict>> VerdictsOf(
    const v1::ScoredTrajectory& scored) {
  std::vector<std::pair<std::string, run::RolloutVerdict>> verdicts;
  for (const v1::RewardPart& part : scored.parts()) {
    absl::string_view outcome = v1::RewardOutcome_Name(part.outcome());
    if (part.outcome() == v1::REWARD_OUTCOME_UNSPECIFIED ||
        !absl::ConsumePrefix(&outcome, "REWARD_OUTCOME_")) {
      continue;
    }
    verdicts.emplace_back(
        part.name(),
        run::RolloutVerdict{.outcome = absl::AsciiStrToLower(outcome),
                            .evidence = part.evidence()});
  }
  return verdicts;
}

}  // namespace

TrainSequence SequenceOf(const v1::GroupContext& context,
                         const v1::Trajectory& trajectory) {
  TrainSequence sequence;
  sequence.prompt_length = context.prompt_token_ids_size();
  sequence.tokens.assign(context.prompt_token_ids().begin(),
                         context.prompt_token_ids().end());
  sequence.tokens.insert(sequence.tokens.end(), trajectory.token_ids().begin(),
                         trajectory.token_ids().end());
  return sequence;
}

std::string MakeRolloutLine(const v1::GroupContext& context,
                            const std::string& rendered_prompt,
                            const v1::ScoredTrajectory& scored,
                            float advantage) {
  const v1::Trajectory& trajectory = scored.trajectory();
  run::Rollout rollout;
  rollout.step = context.key().step();
  rollout.slot = context.key().slot();
  rollout.sample = trajectory.sample();
  rollout.prompt_id = context.prompt_id();
  rollout.prompt = context.prompt();
  rollout.rendered_prompt = rendered_prompt;
  rollout.prompt_token_ids.assign(context.prompt_token_ids().begin(),
                                  context.prompt_token_ids().end());
  rollout.reference = context.reference();
  rollout.completion = trajectory.completion();
  rollout.token_ids.assign(trajectory.token_ids().begin(),
                           trajectory.token_ids().end());
  rollout.logprobs = LogProbsOf(trajectory);
  rollout.policy_version = context.policy().version();
  rollout.finish_reason = FinishReasonText(trajectory);
  rollout.reward = scored.reward();
  for (const v1::RewardPart& part : scored.parts()) {
    rollout.rewards.emplace_back(part.name(), part.value());
  }
  rollout.verdicts = VerdictsOf(scored);
  rollout.advantage = advantage;
  return run::RolloutLine(rollout) + "\n";
}

}  // namespace aha::learner
