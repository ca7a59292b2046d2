// What `--version` prints.
#pragma once

namespace aha {

// "0.1.0 (0123456789ab)": version and commit of this build.
const char* Version();

}  // namespace aha
