#include "reward_service/rule_scorer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "job/options.h"
#include "rewards/verifier.h"

namespace aha::reward {
namespace {

// A reward of the job file, ready to judge.
struct Component {
  std::string name;
  double weight = 1;
  const rewards::VerifierSpec* spec = nullptr;
  std::shared_ptr<const rewards::Verifier> verifier;
};

absl::StatusOr<Component> MakeComponent(const v1::Job& job,
                                        const v1::RewardComponent& reward) {
  Component component;
  AHA_ASSIGN_OR_RETURN(component.spec, rewards::FindVerifier(reward.type()));
  AHA_ASSIGN_OR_RETURN(component.verifier,
                       component.spec->make(VerifierSettingsOf(job, reward)));
  component.name = reward.has_name() ? reward.name() : reward.type();
  component.weight = reward.weight();
  return component;
}

v1::RewardOutcome OutcomeOf(rewards::Outcome outcome) {
  switch (outcome) {
    case rewards::Outcome::kScore:
      return v1::REWARD_OUTCOME_SCORE;
    case rewards::Outcome::kUnparsable:
      return v1::REWARD_OUTCOME_UNPARSABLE;
    case rewards::Outcome::kTimeout:
      return v1::REWARD_OUTCOME_TIMEOUT;
    case rewards::Outcome::kCrash:
      return v1::REWARD_OUTCOME_CRASH;
    case rewards::Outcome::kLimit:
      return v1::REWARD_OUTCOME_LIMIT;
    case rewards::Outcome::kInfraError:
      break;  // Judge made a status of it.
  }
  return v1::REWARD_OUTCOME_UNSPECIFIED;
}

absl::StatusOr<rewards::Verdict> Judge(const Component& component,
                                       const rewards::Item& item,
                                       const rewards::Deadline& deadline) {
  AHA_RETURN_IF_ERROR(
      rewards::CheckPrompt(*component.spec, *component.verifier, item.prompt));
  const std::vector<rewards::Verdict> verdicts =
      component.verifier->Score({item}, deadline);
  if (verdicts.size() != 1) {
    return absl::InternalError(absl::StrCat("reward ", component.name, ": ",
                                            verdicts.size(),
                                            " verdicts for one completion"));
  }
  if (verdicts[0].outcome == rewards::Outcome::kInfraError) {
    return absl::UnavailableError(
        absl::StrCat("reward ", component.name, ": ", verdicts[0].evidence));
  }
  return verdicts[0];
}

}  // namespace

absl::StatusOr<Scorer> MakeRuleScorer(const v1::Job& job, Clock clock) {
  std::vector<Component> components;
  for (const v1::RewardComponent& reward : job.rewards()) {
    AHA_ASSIGN_OR_RETURN(components.emplace_back(), MakeComponent(job, reward));
  }
  const absl::Duration patience = absl::Seconds(job.cluster().wait_seconds());
  return Scorer([components = std::move(components), clock = std::move(clock),
                 patience](
                    const Completion& completion) -> absl::StatusOr<Score> {
    const rewards::Item item = {.prompt = {.text = completion.prompt,
                                           .reference = completion.reference,
                                           .fields = &completion.fields},
                                .completion = completion.text,
                                .truncated = completion.truncated,
                                .tokens = completion.tokens};
    const rewards::Deadline deadline(clock, clock() + patience);
    Score score;
    for (const Component& component : components) {
      AHA_ASSIGN_OR_RETURN(const rewards::Verdict verdict,
                           Judge(component, item, deadline));
      score.reward += component.weight * verdict.value;
      v1::RewardPart& part = score.parts.emplace_back();
      part.set_name(component.name);
      part.set_value(verdict.value);
      part.set_weight(component.weight);
      part.set_outcome(OutcomeOf(verdict.outcome));
      part.set_evidence(verdict.evidence);
    }
    return score;
  });
}

}  // namespace aha::reward
