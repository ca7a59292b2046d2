// What `-o` asks for: text for people, or JSON or YAML for programs.
#pragma once

#include "absl/strings/string_view.h"
#include "base/lenient_json.h"

namespace aha::cli {

enum class Output { kTable, kJson, kYaml };

// "json" or "yaml"; everything else is kTable.
Output ParseOutput(absl::string_view name);

// Writes `text` to stdout if `output` is kTable, else `value`.
void Print(const Json& value, absl::string_view text, Output output);
// Writes one value of a sequence to stdout and flushes it: a line of JSON or a
// YAML document.  REQUIRES: output is not kTable.
void PrintStreamed(const Json& value, Output output);

}  // namespace aha::cli
