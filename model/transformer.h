// Transformer is a policy's model with packed weights: the embedding, the
// blocks of every layer, and the head, and one pass over a batch of rows.
//
// Decoding, chunked prefill and training run the same Block::Forward over
// whatever rows stand in the batch; that is how the invariance contract
// (policy.h) is kept: a row's results depend on its own inputs alone, and every
// use shares one code path.
//
// Rounding points: what the blocks say, and the head's input in dtype(); the
// residual stream is fp32.
//
// Internal to model/. Thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/thread_pool.h"
#include "device/buffer.h"
#include "model/blocks/block.h"
#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/parameters.h"
#include "model/policy.h"
#include "model/row_batch.h"
#include "ops/head.h"

namespace aha {

class Transformer {
 public:
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(
      const ModelConfig& config, DType dtype, const ops::Context& context,
      PolicyUse use);

  // Policy's contracts.
  absl::Status Load(const Parameters& parameters, const Policy::Used& used);
  void Unload();

  const ModelConfig& config() const { return config_; }
  DType dtype() const { return environment_.dtype(); }
  int64_t element_bytes() const { return environment_.element_bytes(); }
  const ops::Context& context() const { return environment_.context(); }
  bool can_train() const { return environment_.can_train(); }
  const ParameterLayout& layout() const { return *layout_; }

  int64_t layers() const { return static_cast<int64_t>(specs_.size()); }
  const BlockSpec& spec(int64_t layer, size_t block) const {
    return *specs_[static_cast<size_t>(layer)][block];
  }
  // REQUIRES: the weights are there (policy.h).
  Block& block(int64_t layer, size_t block) {
    return *blocks_[static_cast<size_t>(layer)][block];
  }
  // For KvCache::Create: the planes of all blocks.
  absl::Span<const int64_t> kv_plane_bytes() const { return kv_plane_bytes_; }

  Norm& final_norm() { return final_norm_; }
  const ops::PackedHead& head() const { return *head_; }
  // [vocab, hidden], dtype.
  const void* embedding() const;
  const void* head_weights() const;  // REQUIRES: can_train().

  // x [rows, hidden] = the tokens' embeddings, times embedding_factor().
  void Embed(const RowBatch& batch, float* x);
  float embedding_factor() const { return embedding_factor_; }
  void Copy(const float* from, int64_t count, float* to);
  // The whole pass for inference: x() is the residual stream after the last
  // layer.
  void Forward(const RowBatch& batch);
  float* x() { return x_; }

 private:
  struct Free {
    void operator()(void* memory) const { FreeAllocated(memory); }
  };
  using LayerBlocks = std::array<std::unique_ptr<Block>, kBlocksPerLayer>;

  Transformer(const ModelConfig& config, DType dtype,
              const ops::Context& context, PolicyUse use);
  absl::Status CreateLayer(int64_t layer);
  absl::Status CreateHead();
  absl::Status CheckLayout(const Parameters& parameters) const;
  void LoadHead(const Parameters& parameters);
  const void* Lent(const TensorInfo& tensor) const {
    return static_cast<const char*>(lent_) + tensor.offset * element_bytes();
  }

  const ModelConfig config_;
  BlockEnvironment environment_;
  const std::shared_ptr<const ParameterLayout> layout_;
  const std::vector<LayerSpec> specs_;
  // Where each block's planes begin, [layers * kBlocksPerLayer].
  std::vector<int64_t> first_kv_planes_;
  std::vector<int64_t> kv_plane_bytes_;
  std::vector<LayerBlocks> blocks_;
  Norm final_norm_;
  const float embedding_factor_;
  std::optional<ops::PackedHead> head_;
  // Null if lean, the head's also if tied or not trained.
  std::unique_ptr<void, Free> embedding_;
  std::unique_ptr<void, Free> untied_head_;
  const void* lent_ = nullptr;  // Lean: the buffer of all parameters.
  Buffer scratch_;
  std::vector<std::vector<Activation>>
      activations_;  // By layer and block, like first_kv_planes_.
  float* x_ = nullptr;
};

}  // namespace aha
