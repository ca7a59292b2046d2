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

absl::StatusOr<KvCache> KvCache::Create(const ModelConfig& config, DType dtype,
                                        int64_t blocks) {
  KvCache cache;
  cache.blocks_ = blocks;
  cache.layers_ = config.num_hidden_layers;
  cache.block_bytes_ = config.num_key_value_heads * ops::kBlockTokens *
                       config.head_dim * static_cast<int64_t>(SizeOf(dtype));
  cache.shape_ = {.k = nullptr,
                  .v = nullptr,
                  .kv_heads = config.num_key_value_heads,
                  .head_dim = config.head_dim,
                  .dtype = dtype};
  if (__builtin_mul_overflow(2 * cache.layers_ * cache.block_bytes_, blocks,
                             &cache.bytes_)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "KV cache of ", blocks, " blocks: does not fit the address space"));
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
  std::swap(layers_, other.layers_);
  std::swap(block_bytes_, other.block_bytes_);
  std::swap(shape_, other.shape_);
  return *this;
}

KvCache::~KvCache() {
  if (memory_ != nullptr) ::munmap(memory_, static_cast<size_t>(bytes_));
}

void KvCache::Discard() {
  // If it fails the memory only stays.
  (void)::madvise(memory_, static_cast<size_t>(bytes_), MADV_DONTNEED);
}

ops::KvBlocks KvCache::Layer(int64_t layer) const {
  ops::KvBlocks blocks = shape_;
  char* k = memory_ + 2 * layer * blocks_ * block_bytes_;
  blocks.k = k;
  blocks.v = k + blocks_ * block_bytes_;
  return blocks;
}

void KvCache::CopyBlock(int32_t from, int32_t to) {
  for (int64_t i = 0; i < 2 * layers_; ++i) {
    char* base = memory_ + i * blocks_ * block_bytes_;
    std::memcpy(base + to * block_bytes_, base + from * block_bytes_,
                static_cast<size_t>(block_bytes_));
  }
}

BlockPool::BlockPool(int64_t blocks)
    : holders_(static_cast<size_t>(blocks)),
      free_(static_cast<size_t>(blocks)) {
  std::iota(free_.begin(), free_.end(), 0);  // Ascending: a heap already.
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
