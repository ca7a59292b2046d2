// What the forward pass over a micro-batch keeps for the backward pass, and the
// backward pass through the layers.  Internal to model/.
//
// Kept per layer: the residual stream before either half, q (k and v stand in
// the KV cache), the attention's output and log-sum-exp, gate and up.  The
// norms and the activation are computed again.  If all that exceeds
// kMaxKeptBytes, only the layer's input is kept and the layer runs again; the
// bits are the same either way.
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "device/buffer.h"
#include "model/gradient_sum.h"
#include "model/training_batch.h"
#include "model/transformer.h"

namespace aha {

class LayerTape {
 public:
  // Above it memory is worth more than the third of a pass that it costs.
  static constexpr int64_t kMaxKeptBytes = int64_t{224} << 20;

  // `transformer` is not owned.  `max_kept_bytes` is for tests.
  explicit LayerTape(Transformer* transformer,
                     int64_t max_kept_bytes = kMaxKeptBytes)
      : transformer_(*transformer), max_kept_bytes_(max_kept_bytes) {}

  // Runs the layers; the result is the residual stream of the distinct rows
  // [distinct rows, hidden], alive until the next call.
  float* Forward(const TrainingBatch& batch, KvCache* cache);

  // Keeps only the distinct rows that move; Backward takes the batch of them.
  void KeepRows(absl::Span<const RowMove> moves);

  // dx [rows, hidden] is the gradient of Forward's result, for all rows, and
  // becomes that of the embeddings.  Adds every layer's gradients to *sum.
  // REQUIRES: follows Forward of the same batch.
  absl::Status Backward(const TrainingBatch& batch, KvCache* cache, float* dx,
                        GradientSum* sum);

 private:
  struct Kept {
    float* input;  // [rows, hidden]
    LayerBuffers buffers;
  };
  // Scratch of Backward, which has all rows.
  struct Work {
    Kept all;        // A layer's, if its distinct rows are not all rows.
    void* dy;        // [rows, max(hidden, qkv_width)], dtype
    float* dwide;    // [rows, max(intermediate, q_width)]
    void* dgate_up;  // [rows, 2 * intermediate], dtype
    float* dqkv;     // [rows, qkv_width]
    float* dnorm;    // [rows, hidden]
    float* dw;       // Of the largest matrix.
  };

  // All but what layers share: norms and activation.
  Kept CarveLayer(int64_t rows, Carver* carver) const;
  void CarveShared(int64_t rows, Carver* carver, LayerBuffers* buffers) const;
  void Carve(int64_t rows);
  void CarveWork(const TrainingBatch& batch);
  // Everything of the layer's forward pass over the distinct rows is in the
  // result's buffers.
  const Kept& Restore(int64_t layer, const RowBatch& distinct);
  // That of all rows, in work_.all.
  void CopyToAll(absl::Span<const RowMove> copies, const Kept& kept);
  absl::Status MlpBackward(int64_t layer, int64_t rows, const Kept& kept,
                           float* dx, GradientSum* sum);
  absl::Status AttentionBackward(int64_t layer, const RowBatch& batch,
                                 const Kept& kept, float* dx, GradientSum* sum);
  struct Product {
    const void* dy;  // [rows, sum of out_i]
    const void* x;   // [rows, in]
    int64_t rows;
  };
  // dw of neighbouring [out_i, in] matrices that were one product.
  absl::Status AddWeightGradient(int64_t layer,
                                 const std::vector<const char*>& names,
                                 const Product& product, GradientSum* sum);
  struct Norm {
    const float* x;
    const float* gamma;
    const float* inv_rms;
    float* dx;
    int64_t rows;
  };
  absl::Status NormBackward(int64_t layer, const char* name, const Norm& norm,
                            GradientSum* sum);

  Transformer& transformer_;
  const int64_t max_kept_bytes_;
  bool keep_all_ = true;
  std::vector<Kept> kept_;  // One a layer; they share buffers if not keep_all_.
  Work work_{};
  float* x_ = nullptr;
  Buffer arena_;
  Buffer work_arena_;
};

}  // namespace aha
