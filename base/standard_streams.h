// The process's standard streams: stdin, stdout and stderr. Every main uses it.
#pragma once

namespace aha {

// Opens /dev/null in place of each stream that is closed. Otherwise the next
// file that the process opens would take that stream's number and receive what
// is printed. Call it first in every main.
void OpenStandardStreams();

}  // namespace aha
