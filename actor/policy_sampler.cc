#include "actor/policy_sampler.h"

#include <utility>

#include "base/status.h"
#include "model/parameters.h"

namespace aha::actor {

absl::StatusOr<std::unique_ptr<PolicySampler>> PolicySampler::New(
    const ModelConfig& config, DType dtype, const ops::Context& context,
    const GeneratorOptions& options) {
  AHA_ASSIGN_OR_RETURN(
      std::unique_ptr<Policy> policy,
      Policy::Create(config, dtype, context, PolicyUse::kSampling));
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Generator> generator,
                       Generator::Create(policy.get(), options));
  return std::unique_ptr<PolicySampler>(
      new PolicySampler(std::move(policy), std::move(generator)));
}

absl::Status PolicySampler::Load(WeightBuffer& weights) {
  // Files in this layout and dtype are read in place, without a second copy,
  // and their buffer is freed as the policy packs it.
  if (const auto parameters = BorrowSafetensors(
          {weights.data(), weights.size()}, layout_, policy_->dtype())) {
    return policy_->Load(*parameters, [&](const void* data, int64_t bytes) {
      weights.Discard(data, static_cast<uint64_t>(bytes));
    });
  }
  AHA_ASSIGN_OR_RETURN(
      const Parameters parameters,
      ReadSafetensors(weights.path(), policy_->config(), policy_->dtype()));
  return policy_->Load(parameters);
}

}  // namespace aha::actor
