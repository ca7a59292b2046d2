#include "model/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace aha {

void* Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  // Only a hint: a kernel without huge pages answers with an error.
  if (alignment == kHugePage) (void)madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

void* AllocateZeroed(size_t bytes) {
  void* memory = Allocate(bytes);
  if (bytes > 0) std::memset(memory, 0, bytes);
  return memory;
}

void FreeAllocated(void* memory) { std::free(memory); }

}  // namespace aha
