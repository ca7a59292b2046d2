// The keys and values of all layers, in blocks of ops::kBlockTokens positions,
// and the number of holders of each block. The transformer runs over one in
// sampling, in training and in the certificate.
//
// Internal to model/. The cache reserves address space only: a block costs
// memory from its first use on, and the lowest free block is handed out first,
// so the cache uses no more memory than its busiest moment needed.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "device/dtype.h"
#include "model/config.h"
#include "ops/attention.h"

namespace aha {

class KvCache {
 public:
  // Returns RESOURCE_EXHAUSTED if the address space is too small.
  static absl::StatusOr<KvCache> Create(const ModelConfig& config, DType dtype,
                                        int64_t blocks);
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&& other) noexcept;
  ~KvCache();

  int64_t blocks() const { return blocks_; }
  ops::KvBlocks Layer(int64_t layer) const;
  // Copies block `from` to block `to` in all layers.
  void CopyBlock(int32_t from, int32_t to);
  // Returns the memory to the system; the contents are lost.
  void Discard();

 private:
  KvCache() = default;

  char* memory_ = nullptr;  // [layers][k, v][blocks][block_bytes_]
  int64_t bytes_ = 0;
  int64_t blocks_ = 0;
  int64_t layers_ = 0;
  int64_t block_bytes_ = 0;  // Of one layer's keys.
  ops::KvBlocks shape_{};    // With null pointers.
};

// Counts the holders of each block.
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
