// What a data set holds, for a person who looks at it before training: keys and
// their types, the prompts that a mapping makes of the rows, what is left out,
// and duplicates. `ahactl data inspect` shows it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/prompt_file.h"

namespace aha {

struct KeyProfile {
  uint64_t rows = 0;                      // Those that have the key.
  std::map<std::string, uint64_t> types;  // "string", "number", "array", ...
};

struct DataProfile {
  std::vector<DataFile> files;
  uint64_t rows = 0;
  std::map<std::string, KeyProfile> keys;  // The top level of every row.
  // The prompts, without the rows that are none; the error if there is none.
  absl::StatusOr<PromptTable> prompts;
  uint64_t duplicates = 0;  // Prompts whose text came before.
};

// Reads the files twice. Rows that are no prompts are counted whatever
// options.skip_bad_rows says. Errors of the files, as LoadPrompts has them.
absl::StatusOr<DataProfile> ProfileData(PromptFileOptions options);

}  // namespace aha
