// Cuts a template into texts and the tokens of its statements and outputs.
// White space around them is treated as transformers sets Jinja:
// trim_blocks and lstrip_blocks are on, and the last line end is dropped.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha::jinja {

struct Token {
  enum class Type {
    kText,         // Outside of {% %} and {{ }}.
    kBlockBegin,   // {%
    kBlockEnd,     // %}
    kOutputBegin,  // {{
    kOutputEnd,    // }}
    kName,
    kString,  // `text` is unescaped.
    kInteger,
    kFloat,
    kOperator,
    kEnd,  // The end of the template.
  };
  Type type = Type::kEnd;
  std::string text;
  int line = 1;
};

// The last token is kEnd. INVALID_ARGUMENT or UNIMPLEMENTED with the line.
// REQUIRES: `source` is UTF-8.
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source);

// `line N: message`, the form of every error of a template.
absl::Status ErrorAt(int line, absl::string_view message);
absl::Status UnsupportedAt(int line, absl::string_view construct);

}  // namespace aha::jinja
