// The Sampler of the actor process: a Policy and its Generator.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "actor/sampler.h"
#include "device/context.h"
#include "model/config.h"
#include "model/generator.h"
#include "model/parameters.h"
#include "model/policy.h"

namespace aha::actor {

class PolicySampler final : public Sampler {
 public:
  // What `context` refers to must outlive the sampler.
  static absl::StatusOr<std::unique_ptr<PolicySampler>> New(
      const ModelConfig& config, DType dtype, const ops::Context& context,
      const GeneratorOptions& options);

  absl::Status Load(WeightBuffer& weights) override;
  void Unload() override { policy_->Unload(); }
  absl::Status Submit(GroupRequest request) override {
    return generator_->Submit(std::move(request));
  }
  absl::StatusOr<std::vector<Sample>> Step() override {
    return generator_->Step();
  }
  void Cancel(uint64_t group) override { generator_->Cancel(group); }
  bool idle() const override { return generator_->idle(); }
  int64_t queued_samples() const override {
    return generator_->queued_samples();
  }
  int64_t live_samples() const override { return generator_->live_samples(); }

 private:
  PolicySampler(std::unique_ptr<Policy> policy,
                std::unique_ptr<Generator> generator)
      : policy_(std::move(policy)),
        layout_(std::make_shared<ParameterLayout>(policy_->config())),
        generator_(std::move(generator)) {}

  const std::unique_ptr<Policy> policy_;
  const std::shared_ptr<const ParameterLayout> layout_;
  const std::unique_ptr<Generator> generator_;
};

}  // namespace aha::actor
