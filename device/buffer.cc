#include "device/buffer.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/ceil_div.h"

namespace aha {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
// In bytes. The allocator maps blocks of this size or more separately, and
// unmaps them when they are freed.
constexpr int kMmapThreshold = 1 << 20;

}  // namespace

void* Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  // By default glibc raises this threshold up to 32 MiB, and smaller blocks
  // come from the heap, where holes between blocks are never returned; with
  // huge pages such holes are large.
  static const int fixed = ::mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  (void)fixed;
  void* memory = nullptr;
  const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
  if (::posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
  AdviseHugePages(memory, bytes);
  return memory;
}

void* AllocateZeroed(size_t bytes) {
  void* memory = Allocate(bytes);
  if (bytes > 0) std::memset(memory, 0, bytes);
  return memory;
}

void AdviseHugePages(void* memory, size_t bytes) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = RoundUp(at, kHugePage);
  const uintptr_t end = (at + bytes) / kHugePage * kHugePage;
  if (begin >= end) return;
  // This is only a hint: a kernel without huge pages returns an error.
  (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

void FreeAllocated(void* memory) { std::free(memory); }

}  // namespace aha
