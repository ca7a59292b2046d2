// Logging of failures that do not stop the work at hand.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/log.h"

namespace aha::coordinator {

// Logs a status that is not OK as a warning and continues.
inline void WarnIfError(const absl::Status& status) {
  if (!status.ok()) {
    AHA_LOG(kWarning) << std::string(status.message());
  }
}

}  // namespace aha::coordinator
