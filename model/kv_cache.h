// The memory in which the blocks of a model store what attention reads of
// earlier positions, paged in KV blocks of ops::kBlockTokens positions, and the
// number of holders of each KV block. The transformer runs over one cache in
// sampling, in training and in the certificate.
//
// A cache consists of planes, one for each array that a model's block stores
// (BlockSpec::KvPlanes: the keys of a layer, its values). KV block number b of
// a sequence's table is number b of every plane. Only the block that stores the
// bytes knows what they mean.
//
// Internal to model/. The cache reserves address space only: a KV block costs
// memory from its first use on, and the lowest free one is handed out first, so
// the cache uses no more memory than its busiest moment needed.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ops/attention.h"

namespace aha {

class KvCache {
 public:
  // `plane_bytes` is the size of one KV block in each plane. Returns
  // RESOURCE_EXHAUSTED if the address space is too small.
  static absl::StatusOr<KvCache> Create(absl::Span<const int64_t> plane_bytes,
                                        int64_t blocks);
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;
  ~KvCache();

  int64_t blocks() const { return blocks_; }
  // Returns the KV blocks of the plane, one after the other.
  void* Plane(int64_t plane) const {
    return memory_ + offsets_[static_cast<size_t>(plane)];
  }
  // Copies KV block `from` to KV block `to` in all planes.
  void CopyBlock(int32_t from, int32_t to);
  // Returns the memory to the system; the contents are lost.
  void Discard();

 private:
  KvCache() = default;

  char* memory_ = nullptr;
  int64_t bytes_ = 0;
  int64_t blocks_ = 0;
  std::vector<int64_t> plane_bytes_;
  std::vector<int64_t> offsets_;  // Where each plane begins in memory_.
};

// Counts the holders of each KV block.
class BlockPool {
 public:
  explicit BlockPool(int64_t blocks);

  // Returns a block with one holder. REQUIRES: available() > 0.
  int32_t Allocate();
  void Share(int32_t block) { ++holders_[static_cast<size_t>(block)]; }
  void Release(int32_t block);
  int64_t available() const { return static_cast<int64_t>(free_.size()); }

 private:
  std::vector<int32_t> holders_;
  std::vector<int32_t> free_;  // A heap with the lowest block first.
};

}  // namespace aha
