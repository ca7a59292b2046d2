// The ChatML chat format, recognised in a model's Jinja template. Use it to
// turn a conversation into the text that the model continues.
//
// This is not a Jinja engine. A template is reduced to its sequence of
// statements and outputs, which ignores white space and spelling, and is
// compared with the shapes that ChatML templates have. A template that does not
// match exactly is refused rather than guessed.
//
// Immutable; thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "text/tokenizer.h"

namespace aha {

class ChatTemplate {
 public:
  // Returns UNIMPLEMENTED, with the part that does not match, if `jinja` is not
  // ChatML.
  static absl::StatusOr<ChatTemplate> Recognise(absl::string_view jinja);

  // Returns the conversation up to the place where the assistant's turn begins.
  // INVALID_ARGUMENT if there is no message, or if a role is empty or contains
  // white space or one of "<|>".
  absl::StatusOr<std::string> Apply(
      absl::Span<const ChatMessage> messages) const;

 private:
  std::string preamble_;  // Precedes a conversation without a system message.
  std::string generation_prompt_;
};

}  // namespace aha
