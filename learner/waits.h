// Reports what a learner rank waits for: heartbeats carry it for people, and a
// Prometheus counter has the seconds.
//
// Thread-compatible.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "base/clock.h"
#include "learner/cluster.h"

namespace aha::learner {

// Takes the duration of a wait.  `what` is one of "next_stage", "rendezvous",
// "begin_step" and "groups".
using WaitGauge =
    std::function<void(const std::string& what, absl::Duration waited)>;

class Waits {
 public:
  // `cluster` must outlive this; `gauge` may be empty.
  Waits(Cluster* cluster, Clock clock, WaitGauge gauge)
      : cluster_(*cluster),
        clock_(std::move(clock)),
        gauge_(std::move(gauge)) {}

  // Runs `body`, which waits, and returns its result.  Meanwhile this process
  // is shown to wait for `shown`: "groups of step 3".
  template <class Body>
  auto During(const std::string& what, const std::string& shown, Body&& body) {
    cluster_.SetWaitingFor(shown);
    const absl::Time start = clock_();
    auto result = body();
    if (gauge_) gauge_(what, clock_() - start);
    cluster_.SetWaitingFor("");
    return result;
  }

 private:
  Cluster& cluster_;
  const Clock clock_;
  const WaitGauge gauge_;
};

}  // namespace aha::learner
