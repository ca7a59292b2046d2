// A model's chat template: turns a conversation into the text that the model
// continues. Use it through Tokenizer, which knows the model's tokens, or
// directly to render other variables.
//
// The template is Jinja, as transformers reads it (text/jinja/), with its
// variables messages, tools, documents and add_generation_prompt, the model's
// special tokens (bos_token, eos_token, ...) and what the caller adds. A
// rendering depends on nothing else: there is no clock. strftime_now is defined
// if the caller gives a date.
//
// Immutable; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/types/span.h"
#include "nlohmann/json_fwd.hpp"
#include "text/chat.h"

namespace aha {

class ChatTemplate {
 public:
  // `special_tokens` is an object with the text of each by its role.
  // INVALID_ARGUMENT or UNIMPLEMENTED, with the line, if `jinja` is not a
  // template or has a statement that chat templates do not use.
  static absl::StatusOr<ChatTemplate> Parse(
      absl::string_view jinja, const nlohmann::ordered_json& special_tokens);

  // Renders an object of variables and nothing beside them. INVALID_ARGUMENT:
  // the template fails or refuses these variables, or takes too many steps or
  // bytes; UNIMPLEMENTED: it does something that is not supported. Both with
  // the line.
  absl::StatusOr<std::string> Render(
      const nlohmann::ordered_json& variables,
      std::optional<absl::CivilSecond> now = std::nullopt) const;

  // Renders a conversation. Besides Render's errors INVALID_ARGUMENT if there
  // is no message, a role is empty or contains white space or one of "<|>", or
  // options.variables is malformed.
  absl::StatusOr<std::string> Apply(absl::Span<const ChatMessage> messages,
                                    const ChatOptions& options) const;

  // The part of the assistant's turn that the template writes itself: what the
  // rendering with a generation prompt has, from its first "<think>" on, and
  // the one without has not. "" if there is none.
  absl::StatusOr<std::string> Opening(absl::Span<const ChatMessage> messages,
                                      const ChatOptions& options) const;

  // The text behind what an assistant says, as the template ends its turn; ""
  // if the template does not render a question and an answer.
  std::string AfterAnswer() const;

 private:
  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace aha
