#include "job/prompt_tokens.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha {

absl::StatusOr<std::string> RenderPrompt(const Tokenizer& tokenizer,
                                         const v1::Prompts& prompts,
                                         const PromptText& prompt) {
  const bool conversation = !prompt.turns.empty();
  if (!conversation && prompts.format() != "chat") {
    return std::string(prompt.text);
  }
  std::vector<ChatMessage> messages(prompt.turns.begin(), prompt.turns.end());
  if (!conversation) {
    messages.push_back({.role = "user", .content = std::string(prompt.text)});
  }
  if (prompts.has_system() && messages.front().role != "system") {
    messages.insert(messages.begin(),
                    {.role = "system", .content = prompts.system()});
  }
  return tokenizer.ApplyChatTemplate(messages);
}

absl::StatusOr<std::vector<int32_t>> PromptTokens(const Tokenizer& tokenizer,
                                                  const v1::Prompts& prompts,
                                                  const PromptText& prompt) {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       RenderPrompt(tokenizer, prompts, prompt));
  absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text);
  if (!ids.ok()) return ids;
  const size_t most = static_cast<size_t>(prompts.max_prompt_length());
  if (!ids->empty() && ids->size() <= most) return ids;
  return absl::InvalidArgumentError(
      absl::StrCat("must have 1 to ", most,
                   " tokens (prompts.max_prompt_length), got ", ids->size()));
}

}  // namespace aha
