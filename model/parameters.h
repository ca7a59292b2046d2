// Parameters are all weights of a policy in one flat buffer, and a
// ParameterLayout is the table of the tensors in it.
//
// The names are those of the model's family (model/families/), which are
// Hugging Face's (algorithms.md section 7.3), and the order is layer by layer,
// block by block; linear weights are [out, in].  The optimizer, the gradient
// sum and the wire all use this order, so an index means the same everywhere.
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
  int64_t offset = 0;   // In elements, from the start of the buffer.
  int64_t count = 0;    // Product of shape.
  bool decays = false;  // Weight decay applies (matrices; not gains, biases).
};

class ParameterLayout {
 public:
  // REQUIRES: config.Validate().
  explicit ParameterLayout(const ModelConfig& config);

  absl::Span<const TensorInfo> tensors() const { return tensors_; }
  int64_t count() const { return count_; }  // Elements in all.

  const TensorInfo& embedding() const { return tensors_.front(); }
  const TensorInfo& final_norm() const { return tensors_[final_norm_]; }
  // The embedding if the two are tied.
  const TensorInfo& head() const { return tensors_[head_]; }
  // Those of one block: layer `layer`, number `block` in it.
  absl::Span<const TensorInfo> block(int64_t layer, size_t block) const;

  // REQUIRES: the name is in the table.
  const TensorInfo& Find(absl::string_view name) const;

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> block_begins_;  // [layers * blocks + 1], in tensors_
  size_t final_norm_ = 0;
  size_t head_ = 0;
  int64_t count_ = 0;
};

// Owns the buffer (64-byte aligned, huge pages advised) unless Borrow made it.
// Move-only.
class Parameters {
 public:
  // Zeros.
  Parameters(std::shared_ptr<const ParameterLayout> layout, DType dtype);
  // Reads the caller's memory, which must outlive the result.  REQUIRES: the
  // result is not written.
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

// Random weights, keyed by seed and element index; each tensor begins as its
// InitialValue says.
Parameters RandomParameters(const ModelConfig& config, uint64_t seed,
                            DType dtype);

// The safetensors file of these parameters; the checksum of a policy version
// is the checksum of exactly these bytes.  Deterministic: header keys in
// layout order, __metadata__ {"format": "pt"}.
std::string SafetensorsHeader(const Parameters& parameters);
Hash128 WeightsChecksum(const Parameters& parameters);
// The parameters of the safetensors file whose bytes are given, which must
// outlive the result.  None: it is not such a file of this layout and dtype.
std::optional<Parameters> BorrowSafetensors(
    absl::string_view file, std::shared_ptr<const ParameterLayout> layout,
    DType dtype);
absl::Status WriteSafetensors(const Parameters& parameters,
                              const std::string& path);

// Reads one .safetensors file or a directory with model.safetensors (or
// shards with model.safetensors.index.json), converting F32/BF16/F16 to
// `dtype`.  Validates names, shapes, dtypes, offsets and the header's size; an
// error names the file, the tensor, the rule and the value.
absl::StatusOr<Parameters> ReadSafetensors(const std::string& path,
                                           const ModelConfig& config,
                                           DType dtype);
// Checks what ReadSafetensors checks before it reads weights: the files, their
// headers, that each tensor is there with its shape and a dtype.
absl::Status CheckSafetensors(const std::string& path,
                              const ModelConfig& config);

// bf16 where this CPU multiplies it natively (AVX512-BF16 or AMX) and
// AHA_CPU_ISA does not forbid it, else fp32.
DType NativeDType();

}  // namespace aha
