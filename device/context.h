// Where an op runs.  The context is the device: overload resolution on it picks
// the body, so model code holds no switch and no #ifdef.
#pragma once

#include "base/thread_pool.h"

namespace aha::ops {

// Plain loops, double accumulators: the definition.  fp32 and bf16 inputs are
// taken as the numbers they hold.
struct RefContext {};

// The body for this CPU's instruction set (isa.h).
struct CpuContext {
  ThreadPool* pool;  // Not owned.
};

}  // namespace aha::ops
