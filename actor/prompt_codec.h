// Converts prompts to token ids and sampled ids to text, as the job says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "aha/v1/rollout.pb.h"

namespace aha {
class Tokenizer;
}

namespace aha::actor {

// Immutable; thread-safe.
class PromptCodec {
 public:
  virtual ~PromptCodec() = default;
  // The tokens of the group's prompt.  INVALID_ARGUMENT, naming prompt_id: the
  // prompt is longer than max_prompt_length, or has text that the tokenizer
  // cannot encode.
  virtual absl::StatusOr<std::vector<int32_t>> Encode(
      const v1::GroupContext& group) const = 0;
  // What verifiers read in front of the group's completions (PromptOpening).
  virtual absl::StatusOr<std::string> Opening(
      const v1::GroupContext& group) const = 0;
  // Special tokens become their names, except for an end token at the end.
  virtual std::string Decode(absl::Span<const int32_t> completion) const = 0;
};

// `tokenizer` is not owned.
std::unique_ptr<PromptCodec> NewPromptCodec(const Tokenizer* tokenizer,
                                            const v1::Prompts& prompts,
                                            std::vector<int32_t> end_tokens);

}  // namespace aha::actor
