#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "base/status.h"
#include "model/backprop.h"
#include "model/certifier.h"
#include "ops/head.h"

namespace aha {
namespace {

constexpr int64_t kMostRows = ops::kGradWeightEnough;

}  // namespace

absl::Status Certifier::CheckHeadWeightGradients() {
  const int64_t tile = std::min(config_.vocab_size, ops::kHeadTile);
  const int64_t rest = config_.vocab_size % ops::kHeadTile;
  AHA_RETURN_IF_ERROR(CheckWeightGradient(tile, config_.hidden_size));
  if (rest == 0) return absl::OkStatus();  // The vocabulary is whole tiles.
  return CheckWeightGradient(rest, config_.hidden_size);
}

absl::Status Certifier::CheckWeightGradient(int64_t n, int64_t k) {
  const std::string name = absl::StrCat("weight gradient n=", n, " k=", k);
  if (!IsNew(name)) return absl::OkStatus();
  // The inputs of the largest product so far serve the smaller ones.
  const auto grow = [&](int64_t count, std::vector<char>* input) {
    if (input->size() < static_cast<size_t>(count) * SizeOf(dtype_)) {
      *input = Random(count, 1);
    }
    return input->data();
  };
  const void* dy = grow(kMostRows * n, &weight_gradient_dy_);
  const void* x = grow(kMostRows * k, &weight_gradient_x_);
  hasher_.String(name);
  std::vector<float> want(static_cast<size_t>(n * k)), got(want.size());
  for (int64_t m = ops::kGradWeightStep; m <= kMostRows;
       m += ops::kGradWeightStep) {
    ops::MatmulGradWeightArgs args{dy, x, want.data(), m, n, k, dtype_};
    const auto sampled = ops::SampleGradWeight(one(), args);
    args.dw = got.data();
    ops::SampleGradWeight(ops::ContextOf(device_, &many_), args);
    for (const ops::RowRange& rows : sampled) {
      const float* a = want.data() + rows.first * k;
      const float* b = got.data() + rows.first * k;
      const size_t bytes = static_cast<size_t>(rows.count * k) * sizeof(*a);
      hasher_.Raw(a, bytes);
      if (std::memcmp(a, b, bytes) == 0) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "certificate: ", name, ": bits must not depend on threads, found ",
          many_.threads(), " threads to differ from 1 for ", m, " rows"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Hash128> Certifier::GradientHash(const ModelConfig& config,
                                                const ops::Context& context) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Policy> policy,
                       Policy::Create(config, dtype_, context));
  const Parameters parameters = RandomParameters(config, 3, dtype_);
  AHA_RETURN_IF_ERROR(policy->Load(parameters));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Backprop> backprop,
                       Backprop::Create(policy.get()));
  const RandomKey key(4, RandomPurpose::kTest);
  std::vector<TrainSequence> sequences(2);
  for (uint64_t s = 0; s < 2; ++s) {
    sequences[s].prompt_length = 1;
    const int64_t length =
        std::min<int64_t>(config.max_position_embeddings, s == 0 ? 41 : 24);
    for (int64_t i = 0; i < length; ++i) {
      sequences[s].tokens.push_back(static_cast<int32_t>(
          key.Below(s << 32 | static_cast<uint64_t>(i),
                    static_cast<uint32_t>(config.vocab_size))));
    }
  }
  GradientSum sum(parameters.shared_layout());
  AHA_RETURN_IF_ERROR(backprop->Accumulate(
      sequences, 1,
      [](const TargetScores& scores, absl::Span<float> dloss) {
        for (size_t i = 0; i < dloss.size(); ++i) {
          dloss[i] = 0.25f * scores.logprobs[i] + 1;
        }
        return absl::OkStatus();
      },
      &sum));
  return HashBytes(sum.sums().data(), sum.sums().size() * sizeof(int64_t));
}

absl::Status Certifier::CheckGradients() {
  const ModelConfig small = Small();
  AHA_ASSIGN_OR_RETURN(const Hash128 want, GradientHash(small, one()));
  hasher_.String("gradients");
  hasher_.Hash(want);
  AHA_ASSIGN_OR_RETURN(const Hash128 got,
                       GradientHash(small, ops::ContextOf(device_, &many_)));
  if (got == want) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "certificate: gradients of a layer: bits must not depend on threads, "
      "found ",
      many_.threads(), " threads to differ from 1"));
}

}  // namespace aha
