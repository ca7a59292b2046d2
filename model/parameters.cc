// Implements model/parameters.h: the table of tensors, the buffer, and random
// weights. formats/safetensors_*.cc define the functions that read and write
// files.
#include "model/parameters.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "device/buffer.h"
#include "device/isa.h"
#include "model/families/family.h"

namespace aha {
namespace {

// Returns four normally distributed numbers from one block (Box-Muller).
std::array<float, 4> FourNormals(const RandomKey& key, uint64_t block) {
  std::array<float, 4> normals;
  const Philox4x32 bits = key.Block(block);
  const auto uniform = [&](int i) {  // In (0, 1), never 0 or 1.
    return (static_cast<double>(bits[i]) + 0.5) * 0x1p-32;
  };
  for (int i = 0; i < 4; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log(uniform(i)));
    const double angle = 2.0 * std::numbers::pi * uniform(i + 1);
    normals[i] = static_cast<float>(radius * std::cos(angle));
    normals[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return normals;
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  const Family& family = FamilyOf(config);
  const int64_t vocab = config.vocab_size, hidden = config.hidden_size;
  const auto add = [this](std::string name, std::vector<int64_t> shape,
                          InitialValue initial) {
    tensors_.push_back({.name = std::move(name),
                        .shape = std::move(shape),
                        .initial = initial});
  };
  add(family.embedding, {vocab, hidden}, InitialValue::kNormal);
  const std::vector<LayerSpec> layers = family.layers(config);
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const auto& block : layers[i]) {
      block_begins_.push_back(tensors_.size());
      idle_ += block->IdleParameters();
      for (TensorSpec& tensor : block->Tensors()) {
        add(absl::StrCat(family.layer_prefix, i, ".", tensor.name),
            std::move(tensor.shape), tensor.initial);
      }
    }
  }
  block_begins_.push_back(tensors_.size());
  final_norm_ = tensors_.size();
  add(family.final_norm, {hidden}, family.final_norm_rule(config).initial());
  if (!config.tie_word_embeddings) {
    head_ = tensors_.size();
    add(family.head, {vocab, hidden}, InitialValue::kNormal);
  }
  for (TensorInfo& tensor : tensors_) {
    tensor.offset = count_;
    tensor.count = 1;
    for (const int64_t extent : tensor.shape) tensor.count *= extent;
    tensor.decays = tensor.shape.size() > 1;
    count_ += tensor.count;
  }
}

absl::Span<const TensorInfo> ParameterLayout::block(int64_t layer,
                                                    size_t block) const {
  const size_t at = static_cast<size_t>(layer) * kBlocksPerLayer + block;
  return tensors().subspan(block_begins_[at],
                           block_begins_[at + 1] - block_begins_[at]);
}

const TensorInfo& ParameterLayout::Find(absl::string_view name) const {
  for (const TensorInfo& tensor : tensors_) {
    if (tensor.name == name) return tensor;
  }
  std::abort();  // The caller broke REQUIRES.
}

Parameters::Parameters(std::shared_ptr<const ParameterLayout> layout,
                       DType dtype)
    : layout_(std::move(layout)),
      dtype_(dtype),
      data_(AllocateZeroed(static_cast<size_t>(layout_->count()) *
                           SizeOf(dtype))) {}

Parameters Parameters::Borrow(std::shared_ptr<const ParameterLayout> layout,
                              DType dtype, const void* data) {
  return Parameters(std::move(layout), dtype,
                    {const_cast<void*>(data), Free{.borrowed = true}});
}

void Parameters::Free::operator()(void* p) const {
  if (!borrowed) FreeAllocated(p);
}

Parameters RandomParameters(const ModelConfig& config, uint64_t seed,
                            DType dtype) {
  Parameters parameters(std::make_shared<ParameterLayout>(config), dtype);
  const RandomKey key(seed, RandomPurpose::kInitialize);
  const double residual =
      1.0 / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  uint64_t block = ~uint64_t{0};
  std::array<float, 4> normals{};
  for (const TensorInfo& tensor : parameters.layout().tensors()) {
    const bool normal = tensor.initial == InitialValue::kNormal ||
                        tensor.initial == InitialValue::kNormalIntoResidual;
    const float constant = tensor.initial == InitialValue::kOne ? 1 : 0;
    const float scale = static_cast<float>(
        config.initializer_range *
        (tensor.initial == InitialValue::kNormalIntoResidual ? residual : 1.0));
    for (int64_t i = 0; i < tensor.count; ++i) {
      const int64_t index = tensor.offset + i;
      // One random block gives the four numbers of the elements 4 * want + 0 ..
      // 3.
      const uint64_t want = static_cast<uint64_t>(index) >> 2;
      if (normal && want != block) {
        block = want;
        normals = FourNormals(key, block);
      }
      StoreElement(parameters.data(), index,
                   normal ? scale * normals[index & 3] : constant, dtype);
    }
  }
  return parameters;
}

DType NativeDType() {
  return ops::PrefersBf16(ops::CurrentIsa()) ? DType::kBf16 : DType::kF32;
}

}  // namespace aha
