// The text that `--version` prints.
#pragma once

namespace aha {

// Version and commit of this build: "0.1.0 (0123456789ab)".
const char* Version();

}  // namespace aha
