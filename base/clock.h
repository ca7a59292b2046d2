// Time as a constructor argument: domain classes never ask the system.
#pragma once

#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace aha {

// Returns now.  Deadlines are computed on it and only compared with it, so a
// clock that jumps (NTP) must not be given: see MonotonicClock.
using Clock = std::function<absl::Time()>;

// Seconds since an arbitrary origin that never jump; not a date.
Clock MonotonicClock();

}  // namespace aha
