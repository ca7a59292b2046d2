// -o: for people, or for programs.
#pragma once

#include "absl/strings/string_view.h"
#include "cli/term/json.h"

namespace aha::cli {

enum class Output { kTable, kJson, kYaml };

// "json", "yaml"; anything else is the table.
Output ParseOutput(absl::string_view name);

// `value`, or `text` for people.
void Print(const Json& value, absl::string_view text, Output output);
// One of a stream: a line of JSON, or a YAML document.  REQUIRES: no kTable.
void PrintStreamed(const Json& value, Output output);

}  // namespace aha::cli
