// The sampling of a stage (job file) as a lease carries it (wire).
#pragma once

#include <cstdint>

#include "aha/v1/coordinator.pb.h"
#include "aha/v1/job.pb.h"

namespace aha::coordinator {

// REQUIRES: every key of `sampling` is set, as in StagePlan::sampling.
inline v1::SamplingSpec ToSpec(const v1::Sampling& sampling) {
  v1::SamplingSpec spec;
  spec.set_temperature(sampling.temperature());
  spec.set_top_p(sampling.top_p());
  spec.set_top_k(static_cast<uint32_t>(sampling.top_k()));
  spec.set_max_completion_length(
      static_cast<uint32_t>(sampling.max_completion_length()));
  return spec;
}

}  // namespace aha::coordinator
