// The ChatML chat format, recognised in a model's Jinja template.
//
// There is no Jinja engine: a template is reduced to its sequence of
// statements and outputs, white space and spelling aside, and compared with
// the shapes that ChatML templates have.  What does not fit exactly is refused
// rather than guessed.
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
  // UNIMPLEMENTED, with the part that does not fit, if `jinja` is not ChatML.
  static absl::StatusOr<ChatTemplate> Recognise(absl::string_view jinja);

  // The conversation, ending where the assistant begins.  INVALID_ARGUMENT if
  // there is no message or a role is empty or has white space in it.
  absl::StatusOr<std::string> Apply(
      absl::Span<const ChatMessage> messages) const;

 private:
  std::string preamble_;  // Unless the first message is the system's.
  std::string generation_prompt_;
};

}  // namespace aha
