// A block is half of a layer: x += f(RmsNorm(x)) on the residual stream x,
// where f is some kind of attention or of feed-forward network. A model is
//
//   embedding, [attention block, feed-forward block] x layers, head
//
// and everything that runs models (Transformer, LayerTape, KvCache, Certifier)
// composes blocks through the two interfaces here. It knows neither the kinds
// of blocks nor the names of their tensors.
//
// A BlockSpec describes a block without its weights: the tensors it owns, what
// it stores of each position in the KV cache, the memory that a pass takes, and
// the kernels that must be certified. A Block is a spec with packed weights;
// it computes. A family (model/families/family.h) turns a config.json into
// specs.
//
// The invariance contract (model/policy.h) binds every block: a row's results
// depend on the weights, on the row and on earlier positions of its sequence
// alone. Forward is the one code path of decoding, chunked prefill and
// training. What Forward adds to x is rounded where the ops say so.
//
// To add a kind of block, write one pair of files in this folder, as gqa.h and
// gqa.cc, and name it in a family.
//
// Internal to model/. Specs are immutable; blocks are thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "device/dtype.h"
#include "model/blocks/environment.h"
#include "model/carver.h"
#include "model/gradient_sum.h"
#include "model/parameters.h"
#include "model/row_batch.h"

namespace aha {

class Block;
class Certifier;

// What reads an activation, and so how long it must live.
enum class ActivationUse {
  kForward,     // Forward alone.
  kSaved,       // Forward, and later Backward.
  kBackward,    // Backward alone: Forward writes it only where it is not null.
  kRecomputed,  // Forward, and Backward after Recompute has made it again.
};

// A buffer that a pass fills, with as many rows as the pass.
struct Activation {
  int64_t row_bytes;
  ActivationUse use;
};

// Where a pass leaves a block's activations: at[i] is that of Activations()[i].
struct ActivationBuffers {
  static constexpr size_t kMost = 12;  // Activations of one block.

  std::array<void*, kMost> at{};
  float* floats(size_t i) const { return static_cast<float*>(at[i]); }
};

// Carves the buffers of the activations with one of these uses; the others keep
// their pointers.
void CarveActivations(absl::Span<const Activation> activations,
                      std::initializer_list<ActivationUse> uses, int64_t rows,
                      Carver* carver, ActivationBuffers* buffers);

// Where a block stands in its model.
struct BlockPlace {
  // The tensors of BlockSpec::Tensors in the model's ParameterLayout, which
  // must outlive the block.
  absl::Span<const TensorInfo> tensors;
  // The number in the KV cache of the first of BlockSpec::KvPlanes.
  int64_t first_kv_plane = 0;
};

class BlockSpec {
 public:
  virtual ~BlockSpec() = default;

  // The kind and everything that its kernels depend on, such as
  // "gqa hidden=64 heads=4 kv_heads=2 head_dim=16".
  virtual std::string Name() const = 0;

  // What the block owns, with names within the layer. At most as many as the
  // layout may hold; matrices that are multiplied at once stand side by side.
  virtual std::vector<TensorSpec> Tensors() const = 0;

  // How many of its parameters a row is not multiplied with: those of experts
  // that it does not choose.
  virtual int64_t IdleParameters() const { return 0; }

  // Bytes that the block stores for ops::kBlockTokens positions of a sequence,
  // one entry for each separate array (a plane: the keys, the values).
  virtual std::vector<int64_t> KvPlanes(DType dtype) const = 0;

  // What Forward fills, at most ActivationBuffers::kMost. Sampling takes their
  // memory once for all layers; training keeps kSaved and kBackward of each.
  virtual std::vector<Activation> Activations(DType dtype) const = 0;

  // Bytes of memory that Backward uses for itself.
  virtual int64_t BackwardScratchBytes(int64_t rows, DType dtype) const = 0;

  // Runs the kernels of the block over batch sizes and thread counts
  // (model/certifier.h). FAILED_PRECONDITION naming the kernel whose bits
  // depend on them.
  virtual absl::Status Certify(Certifier* certifier) const = 0;

  // The block with zero weights. `environment` is not owned and outlives it.
  virtual absl::StatusOr<std::unique_ptr<Block>> Create(
      BlockEnvironment* environment, const BlockPlace& place) const = 0;
};

// The blocks of one layer in the order in which they run.
constexpr size_t kBlocksPerLayer = 2;
using LayerSpec = std::array<std::shared_ptr<const BlockSpec>, kBlocksPerLayer>;

class Block {
 public:
  virtual ~Block() = default;

  // Packs a version of the weights. If the environment is lean, `parameters`
  // are read until the next Load; otherwise they may be freed afterwards.
  virtual void Load(const Parameters& parameters) = 0;

  // x [rows, hidden] += f(RmsNorm(x)). Stores the rows in the KV cache.
  virtual void Forward(const RowBatch& batch, float* x,
                       const ActivationBuffers& buffers) = 0;

  // Makes the kRecomputed activations again from `input`, which is x before
  // Forward, and from the kSaved and kBackward ones.
  virtual void Recompute(const RowBatch& batch, const float* input,
                         const ActivationBuffers& buffers) = 0;

  struct BackwardArgs {
    const RowBatch& batch;             // Whole sequences.
    const float* input;                // [rows, hidden]: x before Forward.
    const ActivationBuffers& buffers;  // From Forward or Recompute.
    // [rows, hidden]: the gradient of x after Forward, which becomes that of x
    // before it.
    float* dx;
    void* scratch;     // BackwardScratchBytes, aligned to 64 bytes.
    GradientSum* sum;  // Receives the gradients of the block's tensors.
  };
  // The order of every sum depends on the number of rows alone.
  // OUT_OF_RANGE naming a tensor whose gradient does not fit *sum.
  // REQUIRES: the environment can train.
  virtual absl::Status Backward(const BackwardArgs& args) = 0;
};

}  // namespace aha
