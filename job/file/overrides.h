// --set key=value; internal to job/.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "job/file/yaml_node.h"

namespace aha {

// Sets "stages[1].grpo.steps=5" in the tree.  Maps on the way are made; a list
// index must exist or be the next.  Keys are not checked: reading does that.
absl::Status ApplyOverride(absl::string_view assignment, YamlNode* root);

}  // namespace aha
