// The ends of log files, and what is appended to them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace aha::cli {

struct FollowedFile {
  std::string path;
  std::string name;  // For the caller, to tell one file from another.
};

using PrintLine = std::function<void(const FollowedFile&, absl::string_view)>;

// Gives the last `lines` lines of each file to `print`.  With `follow` it then
// gives each line that is appended, until stdout is closed.  A file that
// becomes shorter is read from its beginning.  Returns the exit code.
int PrintTails(const std::vector<FollowedFile>& files, int lines, bool follow,
               const PrintLine& print);

}  // namespace aha::cli
