#include "ops/scratch.h"

#include "device/buffer.h"

namespace aha::ops {

float* ThreadScratch(int slot, int64_t count) {
  thread_local Buffer buffers[4];
  return buffers[slot].Get<float>(count);
}

}  // namespace aha::ops
