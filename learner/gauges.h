// Where the learner's figures go: Prometheus in the process, nothing in tests.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "learner/model_state.h"
#include "learner/step_result.h"
#include "learner/waits.h"

namespace aha::learner {

// Each function may be empty; they are called by the thread that trains.
struct LearnerGauges {
  std::function<void(const StepResult& step)> step_done;
  std::function<void(uint64_t version)>
      version;  // Version of the weights in memory.
  WaitGauge waited;
  // The time that a step spent in collective calls, waiting included.
  std::function<void(absl::Duration spent)> collectives;
  std::function<void(bool ok)> checkpoint;  // One was written, or was not.
  // The memory of the state, when a stage begins.
  std::function<void(const StateMemory& memory)> memory;
};

}  // namespace aha::learner
