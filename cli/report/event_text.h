// A line of events.jsonl for people.  Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "run/events.h"

namespace aha::cli {

// "12:31:05  process died  actor-0  signal 9 (Killed)", in local time.
std::string EventText(const run::Event& event);
// The same of a line of the file.  A line that is not JSON stays as it is.
std::string EventText(absl::string_view line);

}  // namespace aha::cli
