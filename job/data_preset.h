// What prompts.preset stands for in a job file: the keys that it sets.
// data/data_presets.h has the presets themselves.
//
// Pure functions.
#pragma once

#include <string>
#include <vector>

#include "aha/v1/job.pb.h"
#include "data/data_presets.h"

namespace aha {

// Sets the keys of `fields`, and `extract`, that the section leaves out to what
// its preset says.  Does nothing for a name that is not known, which the
// schema's rules report.  Idempotent.
void FillFromDataPreset(v1::Prompts* prompts);

// What the presets set a key below prompts to: "gsm8k question", in the
// presets' order.  Of the key preset itself, a sentence or two for each.  Of
// other sections' fields, nothing.
std::vector<std::string> DataPresetTexts(
    const google::protobuf::FieldDescriptor& field);

}  // namespace aha
