// What a job file may say, printed from the schema.  Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

// One key of the schema.
struct KeyInfo {
  std::string path;  // "stages[].grpo.num_generations"
  std::string type;  // "whole number", "text", "list of maps", ...
  bool required = false;
  std::string default_value;  // Empty if there is none.
  std::string range;          // "2 to 1024", "one of a, b"; empty if free.
  std::string unit;           // "tokens"; mostly empty.
  std::string help;
  std::string also;  // What TRL and verl call it; mostly empty.
  // What the presets of grpo.algorithm or of prompts.preset set it to: "dapo
  // 0.28, gspo 0.0004"; of that key itself, a sentence or two for each preset.
  std::vector<std::string> presets;
  // The key that names them: "algorithm" or "preset".
  std::string set_by;
};

// The key itself and all below it, in the schema's order; "" is all.  Indices
// may be left out ("stages.grpo"), and a bare name finds every key of that
// name.  NOT_FOUND with the nearest key.
absl::StatusOr<std::vector<KeyInfo>> ExplainKeys(absl::string_view path);

// The same as text of at most 80 columns.
absl::StatusOr<std::string> Explain(absl::string_view path);

// docs/job-file.md.
std::string JobFileReference();

}  // namespace aha
