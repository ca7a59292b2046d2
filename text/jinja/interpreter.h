// Executes the statements of a template.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "nlohmann/json_fwd.hpp"
#include "text/jinja/ast.h"

namespace aha::jinja {

// What one rendering may use. Shipped templates take a few thousand steps.
struct Budget {
  int64_t steps = 2'000'000;  // Operations, each 64 bytes of a text being one.
  size_t bytes = size_t{128}
                 << 20;  // All values that are made, the text included.
};

// Returns the text. `variables` is an object. `now` is what strftime_now
// formats; without it there is no such function. Every error names the line:
// INVALID_ARGUMENT: the template fails on these variables, or uses up the
// budget; UNIMPLEMENTED: it uses what is not supported.
absl::StatusOr<std::string> Execute(const Body& body,
                                    const nlohmann::ordered_json& variables,
                                    std::optional<absl::CivilSecond> now,
                                    const Budget& budget);

}  // namespace aha::jinja
