// A prompt as the model reads it: in the job's format, as token ids.
//
// Reentrant.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "aha/v1/job.pb.h"
#include "text/tokenizer.h"

namespace aha {

// A prompt as data/ has it: a text, or the turns of a conversation.
struct PromptText {
  absl::string_view text = {};
  absl::Span<const ChatMessage> turns = {};  // Empty for a plain text.
};

// What is encoded: the text itself, or the text that the chat template makes of
// the conversation.  UNIMPLEMENTED if the model has no template.
absl::StatusOr<std::string> RenderPrompt(const Tokenizer& tokenizer,
                                         const v1::Prompts& prompts,
                                         const PromptText& prompt);

// The end of that text which is the beginning of what the model says, as
// "<think>\n" of a template that opens it (ChatTemplate::Opening). Verifiers
// read it in front of a completion.  "" for a prompt without a template.
absl::StatusOr<std::string> PromptOpening(const Tokenizer& tokenizer,
                                          const v1::Prompts& prompts,
                                          const PromptText& prompt);

// INVALID_ARGUMENT: the prompt is longer than max_prompt_length, or the
// vocabulary cannot spell it.
absl::StatusOr<std::vector<int32_t>> PromptTokens(const Tokenizer& tokenizer,
                                                  const v1::Prompts& prompts,
                                                  const PromptText& prompt);

}  // namespace aha
