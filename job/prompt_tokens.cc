#include "job/prompt_tokens.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha {
namespace {

bool UsesTemplate(const v1::Prompts& prompts, const PromptText& prompt) {
  return !prompt.turns.empty() || prompts.format() == "chat";
}

// REQUIRES: UsesTemplate.
std::vector<ChatMessage> MessagesOf(const v1::Prompts& prompts,
                                    const PromptText& prompt) {
  std::vector<ChatMessage> messages(prompt.turns.begin(), prompt.turns.end());
  if (messages.empty()) {
    messages.push_back({.role = "user", .content = std::string(prompt.text)});
  }
  if (prompts.has_system() && messages.front().role != "system") {
    messages.insert(messages.begin(),
                    {.role = "system", .content = prompts.system()});
  }
  return messages;
}

ChatOptions OptionsOf(const v1::Prompts& prompts) {
  return {.variables = prompts.chat_template_kwargs()};
}

}  // namespace

absl::StatusOr<std::string> RenderPrompt(const Tokenizer& tokenizer,
                                         const v1::Prompts& prompts,
                                         const PromptText& prompt) {
  if (!UsesTemplate(prompts, prompt)) return std::string(prompt.text);
  return tokenizer.ApplyChatTemplate(MessagesOf(prompts, prompt),
                                     OptionsOf(prompts));
}

absl::StatusOr<std::string> PromptOpening(const Tokenizer& tokenizer,
                                          const v1::Prompts& prompts,
                                          const PromptText& prompt) {
  if (!UsesTemplate(prompts, prompt)) return "";
  return tokenizer.ChatOpening(MessagesOf(prompts, prompt), OptionsOf(prompts));
}

absl::StatusOr<std::vector<int32_t>> PromptTokens(const Tokenizer& tokenizer,
                                                  const v1::Prompts& prompts,
                                                  const PromptText& prompt) {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       RenderPrompt(tokenizer, prompts, prompt));
  // A template writes the tokens before the text (BOS) itself.
  absl::StatusOr<std::vector<int32_t>> ids = UsesTemplate(prompts, prompt)
                                                 ? tokenizer.Encode(text)
                                                 : tokenizer.EncodePrompt(text);
  if (!ids.ok()) return ids;
  const size_t most = static_cast<size_t>(prompts.max_prompt_length());
  if (!ids->empty() && ids->size() <= most) return ids;
  return absl::InvalidArgumentError(
      absl::StrCat("must have 1 to ", most,
                   " tokens (prompts.max_prompt_length), got ", ids->size()));
}

}  // namespace aha
