#include "model/policy.h"

#include "base/status.h"
#include "model/transformer.h"

namespace aha {

Policy::~Policy() = default;

absl::StatusOr<std::unique_ptr<Policy>> Policy::Create(
    const ModelConfig& config, DType dtype, const ops::Context& context,
    PolicyUse use) {
  std::unique_ptr<Policy> policy(new Policy);
  AHA_ASSIGN_OR_RETURN(policy->transformer_,
                       Transformer::Create(config, dtype, context, use));
  return policy;
}

absl::Status Policy::Load(const Parameters& parameters, const Used& used) {
  return transformer_->Load(parameters, used);
}

void Policy::Unload() { transformer_->Unload(); }

const ModelConfig& Policy::config() const { return transformer_->config(); }
DType Policy::dtype() const { return transformer_->dtype(); }
const ops::Context& Policy::context() const { return transformer_->context(); }

}  // namespace aha
