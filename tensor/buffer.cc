#include "tensor/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace aha {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

void* Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  const size_t size = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  AdviseHugePages(memory, size);
  return memory;
}

void* AllocateZeroed(size_t bytes) {
  void* memory = Allocate(bytes);
  if (bytes > 0) std::memset(memory, 0, bytes);
  return memory;
}

void AdviseHugePages(void* memory, size_t bytes) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (at + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t end = (at + bytes) / kHugePage * kHugePage;
  if (begin >= end) return;
  // Only a hint: a kernel without huge pages answers with an error.
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

void FreeAllocated(void* memory) { std::free(memory); }

}  // namespace aha
