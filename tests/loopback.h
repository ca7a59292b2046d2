// A loopback address of a test's own: no other test and no outgoing connection
// takes its ports, so one that was given back can be taken again.
#pragma once

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace aha {

// 127.64.0.0 to 127.127.255.255, by the process.
inline std::string OwnLoopback() {
  const pid_t pid = ::getpid();
  return absl::StrCat("127.", 64 + (pid >> 16) % 64, ".", (pid >> 8) % 256, ".",
                      pid % 256);
}

}  // namespace aha
