// For failures that are told and otherwise borne.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/log.h"

namespace aha::coordinator {

inline void WarnIfError(const absl::Status& status) {
  if (!status.ok()) {
    AHA_LOG(kWarning) << std::string(status.message());
  }
}

}  // namespace aha::coordinator
