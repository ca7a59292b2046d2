// The layers of a policy: packed weights and one pass over a batch of rows.
//
// Internal to model/.  Decode, chunked prefill and training run the same
// RunLayer, Norm and head over whatever rows stand in the batch; that is
// how the invariance contract (policy.h) is kept: an op's row depends on its
// own inputs alone, and there is no second code path.
//
// Rounding points: GEMM inputs (the outputs of RmsNorm, Attention and SwiGlu)
// and the KV cache are in dtype(); the residual stream and everything between
// are fp32.  Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/thread_pool.h"
#include "device/buffer.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/parameters.h"
#include "model/policy.h"
#include "ops/head.h"
#include "ops/matmul.h"
#include "ops/rope.h"

namespace aha {

// Rows of one pass: each is a token at a position of a sequence.
struct RowBatch {
  absl::Span<const int32_t> tokens;               // [rows]
  absl::Span<const int32_t> positions;            // [rows]
  absl::Span<const ops::SequenceRows> sequences;  // Cover the rows in order.
  KvCache* cache;
  // Whose tables get the rows' keys and values; empty: `sequences`.
  absl::Span<const ops::SequenceRows> stores = {};

  int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
};

// Where RunLayer leaves what it computes.
struct LayerBuffers {
  void* norm;          // [rows, hidden], dtype: input of qkv
  float* qkv;          // [rows, qkv_width]: q and k after RoPE
  void* attention;     // [rows, q_width], dtype
  float* log_sum_exp;  // [rows, heads]; may be null
  void* mlp_norm;      // [rows, hidden], dtype: input of gate_up
  float* gate_up;      // [rows, 2 * intermediate]
  void* activation;    // [rows, intermediate], dtype
  // Kept for the gradient; may be null.
  float* inv_rms;      // [rows]
  float* mlp_inv_rms;  // [rows]
  float* mlp_input;    // [rows, hidden]: the residual stream between halves
};

// Of kLeanTraining all layers share their matrices.
struct Layer {
  std::shared_ptr<ops::PackedMatrix> qkv, o, gate_up, down;
  std::vector<float> input_norm, mlp_norm;
  // The right factors of dx = dy w; null if kSampling.
  std::shared_ptr<ops::PackedMatrix> qkv_grad, o_grad, gate_up_grad, down_grad;
};

class Transformer {
 public:
  static absl::StatusOr<std::unique_ptr<Transformer>> Create(
      const ModelConfig& config, DType dtype, ThreadPool* pool, PolicyUse use);

  // Policy's contracts.
  absl::Status Load(const Parameters& parameters, const Policy::Used& used);
  void Unload();

  const ModelConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }
  ThreadPool& pool() const { return *pool_; }
  ops::CpuContext context() const { return {pool_}; }
  bool can_train() const { return use_ != PolicyUse::kSampling; }
  std::shared_ptr<const ParameterLayout> layout() const { return layout_; }

  int64_t q_width() const {
    return config_.num_attention_heads * config_.head_dim;
  }
  int64_t kv_width() const {
    return config_.num_key_value_heads * config_.head_dim;
  }
  int64_t qkv_width() const { return q_width() + 2 * kv_width(); }
  float attention_scale() const;
  const Layer& layer(int64_t i) const {
    return layers_[static_cast<size_t>(i)];
  }
  const std::vector<float>& final_norm() const { return final_norm_; }
  const ops::PackedHead& head() const { return *head_; }
  // [vocab, hidden], dtype.
  const void* embedding() const;
  const void* head_weights() const;  // REQUIRES: can_train().
  const ops::RopeTable& rope() const { return rope_; }

  // x [rows, hidden] = the tokens' embeddings.
  void Embed(const RowBatch& batch, float* x);
  // x = layer(x), storing the rows' keys and values.
  void RunLayer(int64_t layer, const RowBatch& batch, float* x,
                const LayerBuffers& buffers);
  // Makes the layer's *_grad matrices ready.  REQUIRES: can_train().
  void PrepareGradient(int64_t layer);
  // y [rows, hidden], dtype = RmsNorm of x; inv_rms may be null.  With
  // final_norm() as gamma it is what the head reads.
  void Norm(const float* x, int64_t rows, const std::vector<float>& gamma,
            void* y, float* inv_rms);
  // Copies floats with all threads.
  void Copy(const float* from, int64_t count, float* to);
  // All of it for inference: x() is the residual stream after the last layer.
  void Forward(const RowBatch& batch);
  float* x() { return x_; }

 private:
  struct Free {
    void operator()(void* memory) const { FreeAllocated(memory); }
  };

  Transformer(const ModelConfig& config, DType dtype, ThreadPool* pool,
              PolicyUse use);
  absl::Status CreateLayer(int64_t i);
  absl::Status CreateHead();
  bool lean() const { return use_ == PolicyUse::kLeanTraining; }
  void LoadLayer(const Parameters& parameters, int64_t i);
  // Packs the layer's products for the forward pass (kTransposed) or for the
  // gradient (kPlain) from w, the buffer of all parameters.
  void Pack(const void* w, int64_t layer, ops::PackedMatrix::Source source);
  const void* At(const void* w, const TensorInfo& info) const {
    return static_cast<const char*>(w) +
           info.offset * static_cast<int64_t>(SizeOf(dtype_));
  }
  std::vector<float> ToFloats(const Parameters& parameters,
                              absl::string_view name) const;

  const ModelConfig config_;
  const DType dtype_;
  ThreadPool* const pool_;
  const PolicyUse use_;
  const std::shared_ptr<const ParameterLayout> layout_;
  const ops::RopeTable rope_;
  std::vector<Layer> layers_;
  std::vector<float> final_norm_;
  std::optional<ops::PackedHead> head_;
  // Null if lean, the head's also if tied or not trained.
  std::unique_ptr<void, Free> embedding_;
  std::unique_ptr<void, Free> untied_head_;
  // Lean: the parameters' buffer, and the layers in the shared matrices.
  const void* lent_ = nullptr;
  int64_t forward_layer_ = -1;
  int64_t gradient_layer_ = -1;
  Buffer scratch_;
  float* x_ = nullptr;
};

// Carves aligned pieces from one allocation: run it twice, first with a null
// base to learn size().
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  T* Take(int64_t count) {
    return static_cast<T*>(Bytes(count * static_cast<int64_t>(sizeof(T))));
  }
  void* Bytes(int64_t size) {
    void* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (size + 63) / 64 * 64;
    return piece;
  }
  size_t size() const { return static_cast<size_t>(used_); }

 private:
  char* base_;
  int64_t used_ = 0;
};

}  // namespace aha
