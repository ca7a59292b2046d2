// What grpo.algorithm stands for in a job file: the keys that its preset sets.
// rl/algorithm.h has the presets themselves.
//
// Pure functions.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "rl/algorithm.h"

namespace aha {

// The section of a job file that says what the algorithm says.
v1::Grpo PresetOf(const Algorithm& algorithm);

// Sets the keys that the section leaves out to what its preset says; keys that
// are given stay.  Does nothing for a name that is not known, which the
// schema's rules report.  Idempotent.
void FillFromPreset(v1::Grpo* grpo);

// What the presets set a key of the section to, where that is not the schema's
// default: "dapo 0.28", in the presets' order.  Of the key algorithm itself, a
// few sentences for each preset.  Of other sections' fields, nothing.
std::vector<std::string> PresetTexts(
    const google::protobuf::FieldDescriptor& field);

}  // namespace aha
