#include "reward_service/rule_scorer.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "rewards/reward_rules.h"

namespace aha::reward {

absl::StatusOr<Scorer> MakeRuleScorer(const v1::Job& job) {
  std::vector<RewardComponent> components;
  for (const v1::RewardComponent& reward : job.rewards()) {
    RewardComponent& component = components.emplace_back();
    AHA_ASSIGN_OR_RETURN(component.rule, ParseRewardRule(reward.type()));
    component.name = reward.has_name() ? reward.name() : reward.type();
    component.weight = reward.weight();
  }
  return Scorer([components = std::move(components)](
                    const Question& question) -> absl::StatusOr<Score> {
    AHA_ASSIGN_OR_RETURN(
        const RewardScore score,
        ScoreCompletion(components, {.completion = question.completion,
                                     .reference = question.reference,
                                     .truncated = question.truncated}));
    Score result{.reward = score.total, .parts = {}};
    for (size_t i = 0; i < components.size(); ++i) {
      v1::RewardPart& part = result.parts.emplace_back();
      part.set_name(components[i].name);
      part.set_value(score.parts[i]);
      part.set_weight(components[i].weight);
    }
    return result;
  });
}

}  // namespace aha::reward
