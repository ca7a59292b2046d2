// One group of rollouts, laid out for people.  Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/term/style.h"
#include "run/rollouts.h"

namespace aha::cli {

// The prompt, then the different completions side by side in as many columns
// as fit.  The best rewarded one comes first.  Each stands under its samples,
// reward, components, advantage and finish reason.
// REQUIRES: group is not empty.
std::vector<std::string> RenderGroup(std::vector<run::Rollout> group,
                                     const Style& style);

}  // namespace aha::cli
