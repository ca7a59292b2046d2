#include "rl/algorithm.h"

#include "base/names.h"

namespace aha {
namespace {

constexpr AdvantageOptions kGroupScaled = {};
constexpr AdvantageOptions kCentred = {.scale = ScaleRewards::kNone};
constexpr AdvantageOptions kLeaveOneOut = {
    .estimator = AdvantageEstimator::kLeaveOneOut,
    .scale = ScaleRewards::kNone};

const Algorithm kAlgorithms[] = {
    {.name = "grpo",
     .source = "DeepSeekMath, arXiv 2402.03300",
     .help = "Group-relative advantages, divided by the group's standard "
             "deviation; the clipped ratio; the mean over each completion's "
             "tokens. The paper's KL penalty is beta, here 0.",
     .advantage = kGroupScaled,
     .loss = {}},
    {.name = "dapo",
     .source = "DAPO, arXiv 2503.14476",
     .help = "GRPO with a higher upper clip bound, the mean over all tokens of "
             "the step, and completions that were cut left out of the loss. "
             "The paper's dynamic sampling and its soft punishment of overlong "
             "completions are not here yet.",
     .advantage = kGroupScaled,
     .loss = {.loss_type = LossType::kDapo,
              .epsilon_high = 0.28,
              .mask_truncated = true}},
    {.name = "dr_grpo",
     .source = "Dr. GRPO, arXiv 2503.20783",
     .help = "GRPO without its two biases: advantages are not divided by a "
             "deviation, and token losses are summed and divided by a "
             "constant, whatever the completion's length.",
     .advantage = kCentred,
     .loss = {.loss_type = LossType::kDrGrpo}},
    {.name = "rloo",
     .source = "RLOO, arXiv 2402.14740",
     .help = "REINFORCE whose baseline is the mean reward of the other "
             "completions of the group; a completion is one action, so its "
             "tokens' losses are summed. The paper does not clip; here the "
             "clip bounds act on data that lags, and on fresh data the ratio "
             "is exactly 1. Its KL penalty in the reward is not here.",
     .advantage = kLeaveOneOut,
     .loss = {.loss_type = LossType::kDrGrpo}},
    {.name = "gspo",
     .source = "GSPO, arXiv 2507.18071",
     .help = "One ratio a completion, the geometric mean of its tokens' "
             "ratios, clipped within the paper's narrow bounds.",
     .advantage = kGroupScaled,
     .loss = {.importance = ImportanceLevel::kSequence,
              .epsilon = 3e-4,
              .epsilon_high = 4e-4}},
    {.name = "cispo",
     .source = "MiniMax-M1, arXiv 2506.13585",
     .help = "The clipped ratio, held constant, weighs each token's "
             "log-probability, so that no token's gradient is cut off; the "
             "mean over all tokens of the step. As in the paper the ratio has "
             "no lower bound; the upper one is not published, and 5 is what "
             "ScaleRL and TRL use.",
     .advantage = kGroupScaled,
     .loss = {.loss_type = LossType::kCispo, .epsilon = 1, .epsilon_high = 4}},
};

}  // namespace

absl::Span<const Algorithm> Algorithms() { return kAlgorithms; }

absl::StatusOr<const Algorithm*> FindAlgorithm(absl::string_view name) {
  return FindByName("algorithm", kAlgorithms, name);
}

LossNeeds NeedsOf(const LossOptions& options) {
  return {.old_logprobs = true, .ref_logprobs = options.beta != 0};
}

}  // namespace aha
