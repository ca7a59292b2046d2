// Scratch memory of a thread. Internal to ops/.
#pragma once

#include <cstdint>

namespace aha::ops {

// Returns this thread's scratch memory number `slot` (0 to 3) with room for at
// least `count` floats, whose contents are arbitrary. It is valid until the
// next call for the same slot in this thread. Slot 0 is for an op's own body
// (*_cpu.cc), slots 1 to 3 for gemm.cc, which the bodies call while they use
// slot 0.
float* ThreadScratch(int slot, int64_t count);

}  // namespace aha::ops
