// KvCache is the memory in which the blocks of a model keep what attention
// reads of earlier positions, paged in KV blocks of ops::kBlockTokens
// positions; BlockPool says how many sequences hold each KV block.
//
// The cache consists of planes, one for each array that a model's block stores
// (BlockSpec::KvPlanes: the keys of a layer, its values).  KV block number b of
// a sequence's table is number b of every plane.  What the bytes mean only the
// block that stores them knows.
//
// The memory is reserved, not taken: a KV block costs memory from its first use
// on, and the lowest free one is handed out first, so the cache stays as small
// as its busiest moment.
//
// Internal to model/.  Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ops/attention.h"

namespace aha {

class KvCache {
 public:
  // `plane_bytes`: of one KV block in each plane.  RESOURCE_EXHAUSTED if the
  // address space is too small.
  static absl::StatusOr<KvCache> Create(absl::Span<const int64_t> plane_bytes,
                                        int64_t blocks);
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;
  ~KvCache();

  int64_t blocks() const { return blocks_; }
  // The plane's KV blocks, one after the other.
  void* Plane(int64_t plane) const {
    return memory_ + offsets_[static_cast<size_t>(plane)];
  }
  // Block `from` into block `to`, in all planes.
  void CopyBlock(int32_t from, int32_t to);
  // Returns the memory to the system; the contents are lost.
  void Discard();

 private:
  KvCache() = default;

  char* memory_ = nullptr;
  int64_t bytes_ = 0;
  int64_t blocks_ = 0;
  std::vector<int64_t> plane_bytes_;
  std::vector<int64_t> offsets_;  // Of the planes, in memory_.
};

// Counts the holders of each KV block.
class BlockPool {
 public:
  explicit BlockPool(int64_t blocks);

  // A block with one holder.  REQUIRES: available() > 0.
  int32_t Allocate();
  void Share(int32_t block) { ++holders_[static_cast<size_t>(block)]; }
  void Release(int32_t block);
  int64_t available() const { return static_cast<int64_t>(free_.size()); }

 private:
  std::vector<int32_t> holders_;
  std::vector<int32_t> free_;  // A heap, the lowest first.
};

}  // namespace aha
