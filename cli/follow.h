// The ends of log files, and what is appended to them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::cli {

struct FollowedFile {
  std::string path;
  std::string prefix;  // Of each line.
};

// Prints the last `lines` of each file through `format`, then, with `follow`,
// what comes, until the process is interrupted.  The exit code.
int PrintTails(const std::vector<FollowedFile>& files, int lines, bool follow,
               const std::function<std::string(absl::string_view)>& format);

// A line of events.jsonl for people: time, event, the rest.  A line that is
// not JSON stays as it is.
std::string EventLine(absl::string_view line);

}  // namespace aha::cli
