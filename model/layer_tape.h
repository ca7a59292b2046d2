// LayerTape runs the layers over a micro-batch for training: it keeps what the
// forward pass leaves for the backward pass, and runs that.
//
// For each layer it keeps the inputs of its blocks and their kSaved and
// kBackward activations (blocks/block.h); Backward computes the kRecomputed
// ones again. If all that exceeds kMaxKeptBytes, only the layer's input is kept
// and the layer runs again in Backward, with the same bits.
//
// The forward pass computes the distinct rows of the micro-batch, the backward
// pass has all rows (training_batch.h).
//
// Internal to model/. Thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "device/buffer.h"
#include "model/blocks/block.h"
#include "model/gradient_sum.h"
#include "model/training_batch.h"
#include "model/transformer.h"
#include "ops/copy.h"

namespace aha {

class LayerTape {
 public:
  // Above it memory is worth more than the third of a pass that it costs.
  static constexpr int64_t kMaxKeptBytes = int64_t{224} << 20;

  // `transformer` is not owned. `max_kept_bytes` is for tests.
  explicit LayerTape(Transformer* transformer,
                     int64_t max_kept_bytes = kMaxKeptBytes);

  // Runs the layers; the result is the residual stream of the distinct rows
  // [distinct rows, hidden], alive until the next call.
  float* Forward(const TrainingBatch& batch, KvCache* cache);

  // Keeps only the distinct rows that move; Backward takes the batch of them.
  void KeepRows(absl::Span<const RowMove> moves);

  // dx [rows, hidden] is the gradient of Forward's result, for all rows, and
  // becomes that of the embeddings. Adds every layer's gradients to *sum.
  // REQUIRES: follows Forward of the same batch.
  absl::Status Backward(const TrainingBatch& batch, KvCache* cache, float* dx,
                        GradientSum* sum);

 private:
  struct KeptBlock {
    float* input = nullptr;  // [rows, hidden]: the residual stream before it.
    ActivationBuffers buffers;
  };
  using KeptLayer = std::array<KeptBlock, kBlocksPerLayer>;

  const std::vector<Activation>& activations(int64_t layer, size_t block) const;
  // All but the layer's input and what is recomputed.
  void CarveKept(int64_t layer, int64_t rows, Carver* carver,
                 KeptLayer* kept) const;
  // What is recomputed, and what only the forward pass uses.
  void CarvePassing(int64_t layer, int64_t rows, Carver* carver,
                    KeptLayer* kept) const;
  void Carve(int64_t rows);
  void CarveBackward(const TrainingBatch& batch);
  // Points all_ at the layer's buffers, all but the layer's input.
  void CarveAll(int64_t layer, int64_t rows, Carver* carver);
  // Runs the layer on x_, with its results in `kept`; copies of the blocks'
  // inputs but the first go there, too.
  void RunLayer(int64_t layer, const RowBatch& rows, const KeptLayer& kept);
  // Makes everything of the layer's forward pass over the distinct rows stand
  // in the result's buffers.
  const KeptLayer& Restore(int64_t layer, const RowBatch& distinct);
  // Makes the same of all rows stand in all_.
  void CopyToAll(int64_t layer, const TrainingBatch& batch,
                 absl::Span<const RowMove> copies, const KeptLayer& kept);

  Transformer& transformer_;
  const int64_t max_kept_bytes_;
  std::vector<std::vector<Activation>> activations_;  // [layers * blocks]
  bool keep_all_ = true;
  std::vector<KeptLayer> kept_;  // They share buffers if not keep_all_.
  // Backward's: one layer's results of all rows, if they are not the distinct
  // rows, where they begin, and the memory of the blocks.
  KeptLayer all_;
  Carver all_begin_{nullptr};
  void* scratch_ = nullptr;
  float* x_ = nullptr;
  Buffer arena_;
  Buffer backward_arena_;
  struct RowCopy {
    const void* from;
    void* to;
    int64_t row_bytes;
  };
  // CopyToAll's lists; they stand here to keep their memory.
  std::vector<RowCopy> row_copies_;
  std::vector<ops::CopyArgs> ops_copies_;
};

}  // namespace aha
