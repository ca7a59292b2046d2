// A conversation, and how a chat template renders it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace aha {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant".
  std::string content;
};

struct ChatOptions {
  // Ends with the beginning of the assistant's turn.
  bool generation_prompt = true;
  // A JSON object of further variables of the template, such as
  // {"enable_thinking": false}; may be empty. Its member "strftime_now", a date
  // (2026-11-30), is what the function of that name formats.
  absl::string_view variables = {};
};

}  // namespace aha
