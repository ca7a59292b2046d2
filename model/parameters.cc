// Implements model/parameters.h: the table of tensors, the buffer, and random
// weights. formats/safetensors_*.cc define the functions that read and write
// files.
#include "model/parameters.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/rng.h"
#include "device/buffer.h"
#include "device/isa.h"

namespace aha {
namespace {

// Tensors that the transformer multiplies together (q, k, v; gate, up) are
// adjacent, so that together they are one [out, in] matrix in the buffer.
void AddLayer(const ModelConfig& c, int64_t layer,
              std::vector<TensorInfo>* tensors) {
  const std::string prefix = absl::StrCat("model.layers.", layer, ".");
  const auto add = [&](const char* name, std::vector<int64_t> shape) {
    tensors->push_back(
        {.name = absl::StrCat(prefix, name), .shape = std::move(shape)});
  };
  const int64_t q = c.num_attention_heads * c.head_dim;
  const int64_t kv = c.num_key_value_heads * c.head_dim;
  add("input_layernorm.weight", {c.hidden_size});
  add("self_attn.q_proj.weight", {q, c.hidden_size});
  add("self_attn.k_proj.weight", {kv, c.hidden_size});
  add("self_attn.v_proj.weight", {kv, c.hidden_size});
  add("self_attn.o_proj.weight", {c.hidden_size, q});
  add("post_attention_layernorm.weight", {c.hidden_size});
  add("mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
  add("mlp.up_proj.weight", {c.intermediate_size, c.hidden_size});
  add("mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
}

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
  tensors_.push_back({.name = "model.embed_tokens.weight",
                      .shape = {config.vocab_size, config.hidden_size}});
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    AddLayer(config, layer, &tensors_);
  }
  tensors_.push_back(
      {.name = "model.norm.weight", .shape = {config.hidden_size}});
  if (!config.tie_word_embeddings) {
    tensors_.push_back({.name = "lm_head.weight",
                        .shape = {config.vocab_size, config.hidden_size}});
  }
  for (TensorInfo& tensor : tensors_) {
    tensor.offset = count_;
    tensor.count = 1;
    for (const int64_t extent : tensor.shape) tensor.count *= extent;
    tensor.decays = tensor.shape.size() > 1;
    count_ += tensor.count;
  }
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
    const bool into_residual = absl::EndsWith(tensor.name, "o_proj.weight") ||
                               absl::EndsWith(tensor.name, "down_proj.weight");
    const float scale = static_cast<float>(config.initializer_range *
                                           (into_residual ? residual : 1.0));
    for (int64_t i = 0; i < tensor.count; ++i) {
      const int64_t index = tensor.offset + i;
      // One random block gives the four numbers of the elements 4 * want + 0 ..
      // 3.
      const uint64_t want = static_cast<uint64_t>(index) >> 2;
      if (tensor.decays && want != block) {
        block = want;
        normals = FourNormals(key, block);
      }
      StoreElement(parameters.data(), index,
                   tensor.decays ? scale * normals[index & 3] : 1, dtype);
    }
  }
  return parameters;
}

DType NativeDType() {
  return ops::CurrentIsa() == ops::Isa::kAvx512Bf16 ? DType::kBf16
                                                    : DType::kF32;
}

}  // namespace aha
