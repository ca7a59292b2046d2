// A clock that is passed to constructors, so that domain classes never read the
// system's time themselves and tests can advance it.
#pragma once

#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace aha {

// Returns the current time. Deadlines are computed from it and compared only
// with it. It must never jump, so the wall clock, which NTP adjusts, is not a
// Clock; see MonotonicClock.
using Clock = std::function<absl::Time()>;

// A clock that never jumps. It counts from an arbitrary origin, so its times
// are not dates.
Clock MonotonicClock();

}  // namespace aha
