// stdin, stdout and stderr of this process.
#pragma once

namespace aha {

// Opens /dev/null for those that are closed: else the next file opened takes
// the number of one, and what is printed goes into it.  First in every main.
void OpenStandardStreams();

}  // namespace aha
