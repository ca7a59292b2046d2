#include "ops/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace aha::ops {

void Buffer::Free::operator()(std::byte* data) const { std::free(data); }

void Buffer::Reserve(size_t bytes) {
  if (bytes <= size_) return;
  constexpr size_t kHugePage = size_t{2} << 20;
  const bool huge = bytes >= 2 * kHugePage;
  const size_t align = huge ? kHugePage : 64;
  size_ = (bytes + align - 1) / align * align;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(align, size_)));
  if (data_ == nullptr) throw std::bad_alloc();
  // A hint: packed weights are streamed, and 4 KiB pages cost TLB misses.
  if (huge) madvise(data_.get(), size_, MADV_HUGEPAGE);
}

float* ThreadScratch(int slot, int64_t count) {
  thread_local Buffer buffers[4];
  buffers[slot].Reserve(static_cast<size_t>(count) * sizeof(float));
  return buffers[slot].as<float>();
}

}  // namespace aha::ops
