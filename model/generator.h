// Continuous batching: samples completions of many prompts at once, token by
// token, over a paged KV cache.  A prompt is prefilled once for all samples of
// its group.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "model/policy.h"

namespace aha {

// Keys the random numbers of a group's samples; with a sample's index and the
// position it determines every draw.
struct SampleKey {
  uint64_t seed = 0;
  uint32_t stage = 0;
  uint64_t step = 0;
  uint32_t slot = 0;
};

struct SamplingParams {
  float temperature = 1;  // 0: greedy, log-probabilities at temperature 1.
  float top_p = 1;
  int32_t top_k = 0;  // 0: off.
  int32_t max_new_tokens = 256;

  absl::Status Validate() const;
};

enum class FinishReason { kStop, kLength };

struct GroupRequest {
  uint64_t id = 0;  // The caller's; comes back in Sample.
  SampleKey key;
  std::vector<int32_t> prompt;  // Token ids; not empty.
  int32_t num_samples = 1;
  SamplingParams sampling;
};

struct Sample {
  uint64_t group = 0;           // GroupRequest::id.
  int32_t index = 0;            // In the group.
  std::vector<int32_t> tokens;  // The completion, end token included.
  // ln p(token) under softmax(logits / temperature) of the full vocabulary,
  // one a token, whatever top_p and top_k kept.
  std::vector<float> logprobs;
  FinishReason finish_reason = FinishReason::kStop;
};

struct GeneratorOptions {
  int32_t max_rows = 128;             // Sequences alive at once.
  int32_t max_prefill_tokens = 1024;  // Prompt tokens in one pass.
  // Bounds the KV cache; samples that might not fit wait.  Memory is taken only
  // as it is used.
  int64_t max_kv_bytes = int64_t{8} << 30;

  absl::Status Validate() const;
};

// Thread-compatible.  Uses the policy exclusively while it is not idle.
class Generator {
 public:
  // `policy` is not owned.
  static absl::StatusOr<std::unique_ptr<Generator>> Create(
      Policy* policy, const GeneratorOptions& options);
  ~Generator();

  // Queues a group.  INVALID_ARGUMENT if the prompt is empty, has ids outside
  // the vocabulary or leaves no room in the context.
  absl::Status Submit(GroupRequest request);

  // Advances every live sequence by one token (and admits queued groups while
  // there is room).  Returns the samples that ended.  INTERNAL if a logit is
  // not finite, naming group, sample and position.
  absl::StatusOr<std::vector<Sample>> Step();

  // Forgets a group (its lease was lost).  OK if it is not here.
  void Cancel(uint64_t group);

  // What a live sample has so far, for showing it; empty if it is not alive.
  // Valid until the next Step.
  absl::Span<const int32_t> TokensSoFar(uint64_t group, int32_t index) const;

  bool idle() const;  // Nothing queued, nothing alive.
  int64_t queued_samples() const;
  int64_t live_samples() const;

 private:
  struct Impl;
  explicit Generator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha
