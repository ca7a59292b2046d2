// The ends of log files, and what is appended to them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::cli {

struct FollowedFile {
  std::string path;
  std::string name;
};

using PrintLine = std::function<void(const FollowedFile&, absl::string_view)>;

// Gives the last `lines` of each file to `print`, then, with `follow`, what
// comes, until the process is interrupted or stdout is closed.  The exit code.
int PrintTails(const std::vector<FollowedFile>& files, int lines, bool follow,
               const PrintLine& print);

// A line of events.jsonl for people: time, event, the rest.  A line that is
// not JSON stays as it is.
std::string EventLine(absl::string_view line);

}  // namespace aha::cli
