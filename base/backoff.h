// How long to wait between the attempts of something that may succeed later: a
// call to a peer that restarts, a delivery to a consumer that is full.
//
//   for (int attempt = 0;; ++attempt) {
//     const absl::Status status = Try();
//     if (status.ok()) return status;
//     stop.SleepFor(kCallBackoff.Wait(attempt, key));
//   }
//
// Waits double from `first` up to `longest` and vary by a factor of 0.5 to 1.5,
// which is a pure function of the attempt and of a key: peers with different
// keys that failed at the same time do not retry at the same time.  JitterKey
// makes a key.
//
// All functions are pure, except that JitterKey depends on the process (its
// host and its id).  Thread-safe.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace aha {

struct Backoff {
  absl::Duration first;
  absl::Duration longest;  // Before the variation.

  // After attempt number `attempt`, from 0.
  absl::Duration Wait(int attempt, uint64_t key) const;
};

// Calls and transfers.
inline constexpr Backoff kCallBackoff{absl::Milliseconds(50), absl::Seconds(2)};
// Where the peer is local or known to be coming back: joining the coordinator,
// streams to reward replicas.
inline constexpr Backoff kReconnectBackoff{absl::Milliseconds(50),
                                           absl::Milliseconds(500)};
// Groups that a consumer does not take yet.
inline constexpr Backoff kDeliveryBackoff{absl::Milliseconds(20),
                                          absl::Seconds(2)};
// Groups that a reward replica asked to be sent again.
inline constexpr Backoff kResendBackoff{absl::Milliseconds(100),
                                        absl::Seconds(3)};

// A key that is different in every process, and for each `what` of a process.
uint64_t JitterKey(absl::string_view what);

}  // namespace aha
