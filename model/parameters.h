// All parameters of a policy in one flat buffer, with a table of tensors.
//
// The order and the names are Hugging Face's (model.embed_tokens.weight,
// model.layers.0.input_layernorm.weight, ...; docs/algorithms.md section 7.3),
// layer by layer; linear weights are [out, in].  The optimizer, the gradient
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

struct TensorInfo {
  std::string name;
  std::vector<int64_t> shape;
  int64_t offset = 0;   // In elements, from the start of the buffer.
  int64_t count = 0;    // Product of shape.
  bool decays = false;  // Weight decay applies (matrices, not norm gains).
};

class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  absl::Span<const TensorInfo> tensors() const { return tensors_; }
  int64_t count() const { return count_; }  // Elements in all.
  // REQUIRES: the name is in the table.
  const TensorInfo& Find(absl::string_view name) const;

 private:
  std::vector<TensorInfo> tensors_;
  int64_t count_ = 0;
};

// Owns the buffer (64-byte aligned, huge pages advised) unless Borrow made it.
// Move-only.
class Parameters {
 public:
  // Zeros.
  Parameters(std::shared_ptr<const ParameterLayout> layout, DType dtype);
  // Reads the caller's memory, which outlives the result; not to be written.
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

// Random weights, keyed by seed and element index: normal with
// config.initializer_range, norm gains 1; output projections of the residual
// stream (o_proj, down_proj) scaled by 1/sqrt(2 * layers) (GPT-2).
Parameters RandomParameters(const ModelConfig& config, uint64_t seed,
                            DType dtype);

// The safetensors file of these parameters; the checksum of a policy version
// is the checksum of exactly these bytes.  Deterministic: header keys in
// layout order, __metadata__ {"format": "pt"}.
std::string SafetensorsHeader(const Parameters& parameters);
Hash128 WeightsChecksum(const Parameters& parameters);
// The parameters of the file whose bytes are given and outlive the result.
// None: not such a file of this layout and dtype.
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
// What ReadSafetensors checks before it reads: files, headers, that each tensor
// is there with its shape and a dtype.  Reads the headers only.
absl::Status CheckSafetensors(const std::string& path,
                              const ModelConfig& config);

// bf16 where this CPU multiplies it natively (AVX512-BF16 or AMX) and
// AHA_CPU_ISA does not forbid it, else fp32.
DType NativeDType();

}  // namespace aha
