// A prompt as the model reads it: in the job's format, as token ids.
//
// Reentrant.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "text/tokenizer.h"

namespace aha {

// INVALID_ARGUMENT: the prompt is longer than max_prompt_length, or the
// vocabulary cannot spell it.
absl::StatusOr<std::vector<int32_t>> PromptTokens(const Tokenizer& tokenizer,
                                                  const v1::Prompts& prompts,
                                                  absl::string_view prompt);

}  // namespace aha
