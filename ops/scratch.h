// A thread's own scratch memory.  Internal to ops/.
#pragma once

#include <cstdint>

namespace aha::ops {

// This thread's scratch number `slot` (0 to 3), at least `count` floats with
// arbitrary contents.  Lives until the next call for the slot in this thread.
float* ThreadScratch(int slot, int64_t count);

}  // namespace aha::ops
