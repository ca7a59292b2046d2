// Implements model/kv_cache.h. The cache is one anonymous mapping without
// reserved swap, so a page costs memory from its first use on.
#include "model/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace aha {

absl::StatusOr<KvCache> KvCache::Create(absl::Span<const int64_t> plane_bytes,
                                        int64_t blocks) {
  KvCache cache;
  cache.blocks_ = blocks;
  cache.plane_bytes_.assign(plane_bytes.begin(), plane_bytes.end());
  for (const int64_t bytes : plane_bytes) {
    cache.offsets_.push_back(cache.bytes_);
    int64_t plane = 0;
    if (__builtin_mul_overflow(bytes, blocks, &plane) ||
        __builtin_add_overflow(cache.bytes_, plane, &cache.bytes_)) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "KV cache of ", blocks, " blocks: does not fit the address space"));
    }
  }
  // The size is an upper bound that may exceed the memory of the machine, so it
  // must not be reserved.
  void* memory =
      ::mmap(nullptr, static_cast<size_t>(cache.bytes_), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(absl::StrCat("KV cache of ", blocks,
                                                     " blocks: cannot reserve ",
                                                     cache.bytes_, " bytes"));
  }
  cache.memory_ = static_cast<char*>(memory);
  return cache;
}

KvCache::KvCache(KvCache&& other) noexcept { *this = std::move(other); }

KvCache& KvCache::operator=(KvCache&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(blocks_, other.blocks_);
  std::swap(plane_bytes_, other.plane_bytes_);
  std::swap(offsets_, other.offsets_);
  return *this;
}

KvCache::~KvCache() {
  if (memory_ != nullptr) ::munmap(memory_, static_cast<size_t>(bytes_));
}

void KvCache::Discard() {
  // If it fails, the memory stays in use and nothing else happens.
  (void)::madvise(memory_, static_cast<size_t>(bytes_), MADV_DONTNEED);
}

void KvCache::CopyBlock(int32_t from, int32_t to) {
  for (size_t plane = 0; plane < offsets_.size(); ++plane) {
    char* base = memory_ + offsets_[plane];
    const int64_t bytes = plane_bytes_[plane];
    std::memcpy(base + to * bytes, base + from * bytes,
                static_cast<size_t>(bytes));
  }
}

BlockPool::BlockPool(int64_t blocks)
    : holders_(static_cast<size_t>(blocks)),
      free_(static_cast<size_t>(blocks)) {
  // In ascending order they are a heap already.
  std::iota(free_.begin(), free_.end(), 0);
}

int32_t BlockPool::Allocate() {
  // The lowest free block comes first, which keeps the used part of the mapping
  // small.
  std::pop_heap(free_.begin(), free_.end(), std::greater<>());
  const int32_t block = free_.back();
  free_.pop_back();
  holders_[static_cast<size_t>(block)] = 1;
  return block;
}

void BlockPool::Release(int32_t block) {
  if (--holders_[static_cast<size_t>(block)] > 0) return;
  free_.push_back(block);
  std::push_heap(free_.begin(), free_.end(), std::greater<>());
}

}  // namespace aha
