#include "base/clock.h"

#include <chrono>

namespace aha {

Clock MonotonicClock() {
  return [] {
    const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
    return absl::UnixEpoch() + absl::FromChrono(since_boot);
  };
}

}  // namespace aha
