// The data presets: the mappings that well-known data sets need, by name, for
// prompts.preset of the job file (job/data_preset.h).
//
// A new preset is a line of the table in data_presets.cc and its name in
// job.proto.
#pragma once

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "data/prompt_mapping.h"

namespace aha {

struct DataPreset {
  absl::string_view name;
  absl::string_view help;  // What its rows look like, as a sentence.
  PromptFields fields;
  AnswerExtract extract;
};

// In the order of job.proto.
absl::Span<const DataPreset> DataPresets();
// Null if there is none of this name.
const DataPreset* FindDataPreset(absl::string_view name);

}  // namespace aha
