// All parameters of a policy in one flat buffer, with a table of its tensors.
//
// The names are those of the model's family (model/families/), which are
// Hugging Face's (docs/algorithms.md section 7.3). The order is layer by layer
// and block by block; linear weights are [out, in]. The optimizer, the gradient
// sum and the wire use this order too, so an index means the same everywhere.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/hash.h"
#include "device/dtype.h"
#include "model/config.h"

namespace aha {

// What a tensor of a random model begins with.
enum class InitialValue {
  kNormal,              // Normal, with config.initializer_range.
  kNormalIntoResidual,  // The same, scaled by 1/sqrt(2 * layers) (GPT-2).
  kOne,                 // Gains of norms.
  kZero,                // Biases.
};

// A tensor that a block owns (model/blocks/block.h).
struct TensorSpec {
  std::string name;  // Within the layer.
  std::vector<int64_t> shape;
  InitialValue initial = InitialValue::kNormal;
};

struct TensorInfo {
  std::string name;
  std::vector<int64_t> shape;
  InitialValue initial = InitialValue::kNormal;
  int64_t offset = 0;  // In elements, from the start of the buffer.
  int64_t count = 0;   // The product of `shape`.
  bool decays =
      false;  // Weight decay applies to matrices, not gains or biases.
};

class ParameterLayout {
 public:
  // REQUIRES: config.Validate().
  explicit ParameterLayout(const ModelConfig& config);

  absl::Span<const TensorInfo> tensors() const { return tensors_; }
  // The number of elements of all tensors.
  int64_t count() const { return count_; }
  // The elements that one token is computed with: all but those of the experts
  // to which it is not sent.
  int64_t active_count() const { return count_ - idle_; }

  const TensorInfo& embedding() const { return tensors_.front(); }
  const TensorInfo& final_norm() const { return tensors_[final_norm_]; }
  // This is the embedding if the two are tied.
  const TensorInfo& head() const { return tensors_[head_]; }
  // The tensors of block number `block` of a layer (model/blocks/block.h).
  absl::Span<const TensorInfo> block(int64_t layer, size_t block) const;

  // REQUIRES: the name is in the table.
  const TensorInfo& Find(absl::string_view name) const;

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> block_begins_;  // [layers * blocks + 1], in tensors_
  size_t final_norm_ = 0;
  size_t head_ = 0;
  int64_t count_ = 0;
  int64_t idle_ = 0;
};

// Owns the buffer (64-byte aligned, huge pages advised) unless Borrow made it.
// Move-only.
class Parameters {
 public:
  // All parameters are zero.
  Parameters(std::shared_ptr<const ParameterLayout> layout, DType dtype);
  // Reads the caller's memory, which must outlive the result and must not be
  // written through it.
  static Parameters Borrow(std::shared_ptr<const ParameterLayout> layout,
                           DType dtype, const void* data);

  const ParameterLayout& layout() const { return *layout_; }
  std::shared_ptr<const ParameterLayout> shared_layout() const {
    return layout_;
  }
  DType dtype() const { return dtype_; }
  void* data() { return data_.get(); }
  const void* data() const { return data_.get(); }
  int64_t bytes() const {
    return layout_->count() * static_cast<int64_t>(SizeOf(dtype_));
  }
  const void* tensor(const TensorInfo& info) const {
    return static_cast<const char*>(data()) + info.offset * SizeOf(dtype_);
  }

 private:
  struct Free {
    bool borrowed;  // False by default.
    void operator()(void* p) const;
  };
  Parameters(std::shared_ptr<const ParameterLayout> layout, DType dtype,
             std::unique_ptr<void, Free> data)
      : layout_(std::move(layout)), dtype_(dtype), data_(std::move(data)) {}

  std::shared_ptr<const ParameterLayout> layout_;
  DType dtype_;
  std::unique_ptr<void, Free> data_;
};

// Returns random weights, keyed by seed and element index. The InitialValue of
// each tensor says how they are distributed.
Parameters RandomParameters(const ModelConfig& config, uint64_t seed,
                            DType dtype);

// The header of the safetensors file of these parameters. The checksum of a
// policy version is the checksum of exactly the bytes of that file. It is
// deterministic: the header's keys are in layout order, and __metadata__ is
// {"format": "pt"}.
std::string SafetensorsHeader(const Parameters& parameters);
Hash128 WeightsChecksum(const Parameters& parameters);
// Returns the parameters of a file whose bytes are given and must outlive the
// result; nothing if it is not such a file with this layout and dtype.
std::optional<Parameters> BorrowSafetensors(
    absl::string_view file, std::shared_ptr<const ParameterLayout> layout,
    DType dtype);
absl::Status WriteSafetensors(const Parameters& parameters,
                              const std::string& path);

// Reads a .safetensors file, or a directory with model.safetensors (or shards
// and model.safetensors.index.json), and converts F32, BF16 and F16 to `dtype`.
// It validates names, shapes, dtypes, offsets and the header's size; errors
// name the file, the tensor, the rule and the value.
absl::StatusOr<Parameters> ReadSafetensors(const std::string& path,
                                           const ModelConfig& config,
                                           DType dtype);
// Does the checks that ReadSafetensors does before it reads the data: of files,
// headers, and that each tensor exists with its shape and a supported dtype.
absl::Status CheckSafetensors(const std::string& path,
                              const ModelConfig& config);

// Returns bf16 if this CPU multiplies it natively (AVX512-BF16 or AMX) and
// AHA_CPU_ISA does not forbid it, else fp32.
DType NativeDType();

}  // namespace aha
