#include "job/prompt_tokens.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha {
namespace {

absl::StatusOr<std::vector<int32_t>> Encode(const Tokenizer& tokenizer,
                                            const v1::Prompts& prompts,
                                            absl::string_view prompt) {
  if (prompts.format() != "chat") return tokenizer.EncodePrompt(prompt);
  std::vector<ChatMessage> messages;
  if (prompts.has_system()) {
    messages.push_back({.role = "system", .content = prompts.system()});
  }
  messages.push_back({.role = "user", .content = std::string(prompt)});
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       tokenizer.ApplyChatTemplate(messages));
  return tokenizer.Encode(text);
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> PromptTokens(const Tokenizer& tokenizer,
                                                  const v1::Prompts& prompts,
                                                  absl::string_view prompt) {
  absl::StatusOr<std::vector<int32_t>> ids = Encode(tokenizer, prompts, prompt);
  if (!ids.ok()) return ids;
  const size_t most = static_cast<size_t>(prompts.max_prompt_length());
  if (!ids->empty() && ids->size() <= most) return ids;
  return absl::InvalidArgumentError(
      absl::StrCat("must have 1 to ", most,
                   " tokens (prompts.max_prompt_length), got ", ids->size()));
}

}  // namespace aha
