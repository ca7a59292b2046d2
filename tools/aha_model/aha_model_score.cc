// aha-model score.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/backprop.h"
#include "nlohmann/json.hpp"
#include "tools/aha_model/aha_model_common.h"

namespace aha::cli {
namespace {

class Scorer {
 public:
  Scorer(Backprop* backprop, double temperature)
      : backprop_(*backprop), temperature_(static_cast<float>(temperature)) {}

  absl::Status Add(const Json& object, std::vector<int32_t> tokens) {
    if (num_tokens_ + static_cast<int64_t>(tokens.size()) > kBatchTokens) {
      AHA_RETURN_IF_ERROR(Flush());
    }
    num_tokens_ += static_cast<int64_t>(tokens.size());
    objects_.push_back(object);
    sequences_.push_back({.tokens = std::move(tokens), .prompt_length = 1});
    return absl::OkStatus();
  }

  absl::Status Flush() {
    if (sequences_.empty()) return absl::OkStatus();
    AHA_ASSIGN_OR_RETURN(const std::vector<float> logprobs,
                         backprop_.LogProbs(sequences_, temperature_));
    auto next = logprobs.begin();
    for (size_t i = 0; i < objects_.size(); ++i) {
      const auto end = next +
                       static_cast<int64_t>(sequences_[i].tokens.size()) -
                       sequences_[i].prompt_length;
      objects_[i]["logprobs"] = std::vector<float>(next, end);
      PrintJsonLine(objects_[i]);
      next = end;
    }
    objects_.clear();
    sequences_.clear();
    num_tokens_ = 0;
    return absl::OkStatus();
  }

 private:
  Backprop& backprop_;
  const float temperature_;
  std::vector<Json> objects_;
  std::vector<TrainSequence> sequences_;
  int64_t num_tokens_ = 0;
};

}  // namespace

absl::Status Score(const ModelOptions& model, const ScoreOptions& options) {
  AHA_ASSIGN_OR_RETURN(const LoadedModel loaded,
                       LoadModel(model, PolicyUse::kSampling));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Backprop> backprop,
                       Backprop::Create(loaded.policy.get()));
  const ModelConfig& config = loaded.policy->config();
  Scorer scorer(backprop.get(), options.temperature);
  AHA_RETURN_IF_ERROR(
      ForEachLine(options.input_path, [&](const Json& object) -> absl::Status {
        AHA_ASSIGN_OR_RETURN(std::vector<int32_t> tokens,
                             TokenIds(object, "token_ids", config.vocab_size));
        if (tokens.empty() ||
            static_cast<int64_t>(tokens.size()) > config.context()) {
          return absl::InvalidArgumentError(
              absl::StrCat("token_ids must have 1 to ", config.context(),
                           " tokens (the context), got ", tokens.size()));
        }
        return scorer.Add(object, std::move(tokens));
      }));
  return scorer.Flush();
}

}  // namespace aha::cli
