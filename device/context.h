// The context that says on which device an op runs. Overload resolution on it
// chooses the op's body, so model code contains no switch and no #ifdef.
#pragma once

#include "base/thread_pool.h"

namespace aha::ops {

// The reference device: plain loops with double accumulators, which define each
// op. fp32 and bf16 inputs stand for exactly the numbers that they hold.
struct RefContext {};

// The CPU. An op's body uses the instruction set of isa.h.
struct CpuContext {
  ThreadPool* pool;  // Not owned.
};

}  // namespace aha::ops
