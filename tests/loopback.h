// A loopback address for one test. No other test and no outgoing connection
// takes its ports, so a port that was released can be taken again.
#pragma once

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace aha {

// Returns an address from 127.64.0.0 to 127.127.255.255 that depends on the
// process.
inline std::string OwnLoopback() {
  const pid_t pid = ::getpid();
  return absl::StrCat("127.", 64 + (pid >> 16) % 64, ".", (pid >> 8) % 256, ".",
                      pid % 256);
}

}  // namespace aha
