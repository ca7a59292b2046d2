// Continuous batching: samples completions of many prompts at the same time,
// token by token, over a paged KV cache. A prompt is prefilled once for all
// samples of its group. Actors use it to roll out groups:
//
//   AHA_RETURN_IF_ERROR(generator->Submit({.id = 1, .prompt = ids}));
//   while (!generator->idle()) {
//     AHA_ASSIGN_OR_RETURN(auto finished, generator->Step());
//   }
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/policy.h"

namespace aha {

// The key of a group's random numbers. Together with a sample's index and the
// position it determines every draw.
struct SampleKey {
  uint64_t seed = 0;
  uint32_t stage = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
};

struct SamplingParams {
  // The least and the greatest temperature, except 0.
  static constexpr double kMinTemperature = 1e-3;
  static constexpr double kMaxTemperature = 1e3;

  // 0 is greedy, with log-probabilities at temperature 1.
  float temperature = 1;
  float top_p = 1;
  int32_t top_k = 0;  // 0 switches it off.
  int32_t max_new_tokens = 256;

  absl::Status Validate() const;
};

enum class FinishReason { kStop, kLength };

struct GroupRequest {
  uint64_t id = 0;  // Chosen by the caller; Sample returns it.
  SampleKey key;
  std::vector<int32_t> prompt;  // Token ids; not empty.
  int32_t num_samples = 1;
  SamplingParams sampling;
};

struct Sample {
  uint64_t group = 0;           // GroupRequest::id.
  int32_t index = 0;            // Index in the group.
  std::vector<int32_t> tokens;  // The completion with its end token.
  // For each token, ln p(token) under softmax(logits / temperature) of the full
  // vocabulary, whatever top_p and top_k excluded.
  std::vector<float> logprobs;
  FinishReason finish_reason = FinishReason::kStop;
};

struct GeneratorOptions {
  int32_t max_rows = 128;  // Sequences that are live at the same time.
  int32_t max_prefill_tokens = 1024;  // Prompt tokens in one pass.
  // Upper bound of the KV cache. Samples that might not fit wait. Memory is
  // used only as it is needed.
  int64_t max_kv_bytes = int64_t{8} << 30;

  absl::Status Validate() const;
};

// Thread-compatible. It uses the policy exclusively while it is not idle.
class Generator {
 public:
  // `policy` is not owned.
  static absl::StatusOr<std::unique_ptr<Generator>> Create(
      Policy* policy, const GeneratorOptions& options);
  ~Generator();

  // Queues a group. Returns INVALID_ARGUMENT if the prompt is empty, has ids
  // outside the vocabulary or leaves no room in the context, ALREADY_EXISTS if
  // the id is in use, and RESOURCE_EXHAUSTED if one sample does not fit the KV
  // cache.
  absl::Status Submit(GroupRequest request);

  // Advances every live sequence by one token, and starts queued groups while
  // there is room. Returns the samples that ended. If a logit is not finite,
  // returns INTERNAL with the group, sample and position.
  absl::StatusOr<std::vector<Sample>> Step();

  // Drops a group, for example because its lease was lost. Does nothing if the
  // group is unknown.
  void Cancel(uint64_t group);

  // Returns the tokens of a live sample so far, for display; empty if the
  // sample is not live. Valid until the next Step.
  absl::Span<const int32_t> TokensSoFar(uint64_t group, int32_t index) const;

  bool idle() const;  // Nothing is queued and nothing is live.
  int64_t queued_samples() const;
  int64_t live_samples() const;

 private:
  struct Impl;
  explicit Generator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha
