#include "model/transformer.h"

#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

using ops::PackedMatrix;

// The products of a layer: the weight that their factors are packed from (q, k,
// v and gate, up are neighbours in the buffer: one matrix each), and where the
// factors stand.
constexpr struct Product {
  const char* weight;
  std::shared_ptr<PackedMatrix> Layer::*forward;
  std::shared_ptr<PackedMatrix> Layer::*gradient;
} kProducts[] = {
    {"self_attn.q_proj.weight", &Layer::qkv, &Layer::qkv_grad},
    {"self_attn.o_proj.weight", &Layer::o, &Layer::o_grad},
    {"mlp.gate_proj.weight", &Layer::gate_up, &Layer::gate_up_grad},
    {"mlp.down_proj.weight", &Layer::down, &Layer::down_grad}};

std::string LayerName(int64_t layer, absl::string_view name) {
  return absl::StrCat("model.layers.", layer, ".", name);
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, DType dtype,
                         ThreadPool* pool, PolicyUse use)
    : config_(config),
      dtype_(dtype),
      pool_(pool),
      use_(use),
      layout_(std::make_shared<ParameterLayout>(config)),
      rope_(config.max_position_embeddings, config.head_dim,
            config.rope_theta) {}

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(
    const ModelConfig& config, DType dtype, ThreadPool* pool, PolicyUse use) {
  AHA_RETURN_IF_ERROR(config.Validate());
  std::unique_ptr<Transformer> transformer(
      new Transformer(config, dtype, pool, use));
  // Of kSampling, Load makes them, one by one.
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (use == PolicyUse::kSampling) break;
    AHA_RETURN_IF_ERROR(transformer->CreateLayer(i));
  }
  if (use != PolicyUse::kSampling) {
    AHA_RETURN_IF_ERROR(transformer->CreateHead());
  }
  return transformer;
}

absl::Status Transformer::CreateLayer(int64_t i) {
  const int64_t hidden = config_.hidden_size;
  const int64_t inner = config_.intermediate_size;
  Layer layer;
  if (lean() && i > 0) layer = layers_.front();
  layer.input_norm.resize(static_cast<size_t>(hidden));
  layer.mlp_norm.resize(static_cast<size_t>(hidden));
  const struct {
    int64_t k, n;
  } shapes[] = {{hidden, qkv_width()},
                {q_width(), hidden},
                {hidden, 2 * inner},
                {inner, hidden}};
  static_assert(std::size(shapes) == std::size(kProducts));
  for (size_t p = 0; p < std::size(kProducts); ++p) {
    const auto [k, n] = shapes[p];
    if (layer.*kProducts[p].forward != nullptr) continue;
    AHA_ASSIGN_OR_RETURN(PackedMatrix forward,
                         PackedMatrix::Create(context(), k, n, dtype_));
    layer.*kProducts[p].forward =
        std::make_shared<PackedMatrix>(std::move(forward));
    if (!can_train()) continue;
    AHA_ASSIGN_OR_RETURN(PackedMatrix gradient,
                         PackedMatrix::Create(context(), n, k, dtype_));
    layer.*kProducts[p].gradient =
        std::make_shared<PackedMatrix>(std::move(gradient));
  }
  layers_.push_back(std::move(layer));
  return absl::OkStatus();
}

absl::Status Transformer::CreateHead() {
  const int64_t hidden = config_.hidden_size;
  final_norm_.resize(static_cast<size_t>(hidden));
  AHA_ASSIGN_OR_RETURN(
      head_,
      ops::PackedHead::Create(context(), config_.vocab_size, hidden, dtype_));
  if (lean()) return absl::OkStatus();
  const size_t table =
      static_cast<size_t>(config_.vocab_size * hidden) * SizeOf(dtype_);
  embedding_.reset(AllocateZeroed(table));
  if (!config_.tie_word_embeddings && can_train()) {
    untied_head_.reset(AllocateZeroed(table));
  }
  return absl::OkStatus();  // All zero: so is a packed matrix at first.
}

absl::Status Transformer::Load(const Parameters& parameters,
                               const Policy::Used& used) {
  if (parameters.dtype() != dtype_) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights: dtype must be the policy's ", NameOf(dtype_),
                     ", found ", NameOf(parameters.dtype())));
  }
  const auto ours = layout_->tensors();
  const auto theirs = parameters.layout().tensors();
  bool same = ours.size() == theirs.size();
  for (size_t i = 0; same && i < ours.size(); ++i) {
    same = ours[i].name == theirs[i].name && ours[i].shape == theirs[i].shape;
  }
  if (!same) {
    return absl::InvalidArgumentError(
        "weights: layout must be that of the policy's config, found another");
  }
  if (lean()) lent_ = parameters.data();
  forward_layer_ = gradient_layer_ = -1;
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    if (static_cast<int64_t>(layers_.size()) == i) {
      AHA_RETURN_IF_ERROR(CreateLayer(i));
    }
    LoadLayer(parameters, i);
    if (!used) continue;
    const TensorInfo& first =
        layout_->Find(LayerName(i, "input_layernorm.weight"));
    const TensorInfo& last =
        layout_->Find(LayerName(i, "mlp.down_proj.weight"));
    const int64_t count = last.offset + last.count - first.offset;
    used(parameters.tensor(first),
         count * static_cast<int64_t>(SizeOf(dtype_)));
  }
  if (!head_) AHA_RETURN_IF_ERROR(CreateHead());
  final_norm_ = ToFloats(parameters, "model.norm.weight");
  const TensorInfo& table = layout_->Find("model.embed_tokens.weight");
  const size_t bytes = static_cast<size_t>(table.count) * SizeOf(dtype_);
  if (embedding_) {
    std::memcpy(embedding_.get(), parameters.tensor(table), bytes);
  }
  const TensorInfo& head =
      config_.tie_word_embeddings ? table : layout_->Find("lm_head.weight");
  head_->Pack(context(), parameters.tensor(head));
  if (untied_head_) {
    std::memcpy(untied_head_.get(), parameters.tensor(head), bytes);
  }
  return absl::OkStatus();
}

void Transformer::Unload() {
  layers_.clear();
  head_.reset();
  embedding_.reset();
  ::malloc_trim(0);  // Matrices are many pieces of the heap.
}

void Transformer::LoadLayer(const Parameters& parameters, int64_t i) {
  Layer& layer = layers_[static_cast<size_t>(i)];
  if (!lean()) {
    Pack(parameters.data(), i, PackedMatrix::Source::kTransposed);
    if (can_train()) {
      Pack(parameters.data(), i, PackedMatrix::Source::kPlain);
    }
  }
  layer.input_norm =
      ToFloats(parameters, LayerName(i, "input_layernorm.weight"));
  layer.mlp_norm =
      ToFloats(parameters, LayerName(i, "post_attention_layernorm.weight"));
}

void Transformer::Pack(const void* w, int64_t i, PackedMatrix::Source source) {
  const Layer& layer = layers_[static_cast<size_t>(i)];
  for (const Product& product : kProducts) {
    const std::shared_ptr<PackedMatrix>& matrix =
        source == PackedMatrix::Source::kTransposed ? layer.*product.forward
                                                    : layer.*product.gradient;
    matrix->Pack(context(), At(w, layout_->Find(LayerName(i, product.weight))),
                 source);
  }
}

void Transformer::PrepareGradient(int64_t layer) {
  if (!lean() || gradient_layer_ == layer) return;
  Pack(lent_, layer, PackedMatrix::Source::kPlain);
  gradient_layer_ = layer;
}

const void* Transformer::embedding() const {
  if (embedding_) return embedding_.get();
  return At(lent_, layout_->Find("model.embed_tokens.weight"));
}

const void* Transformer::head_weights() const {
  if (config_.tie_word_embeddings) return embedding();
  return untied_head_ ? untied_head_.get()
                      : At(lent_, layout_->Find("lm_head.weight"));
}

std::vector<float> Transformer::ToFloats(const Parameters& parameters,
                                         absl::string_view name) const {
  const TensorInfo& info = layout_->Find(name);
  std::vector<float> floats(static_cast<size_t>(info.count));
  for (int64_t i = 0; i < info.count; ++i) {
    floats[static_cast<size_t>(i)] =
        LoadElement(parameters.data(), info.offset + i, dtype_);
  }
  return floats;
}

float Transformer::attention_scale() const {
  return static_cast<float>(1.0 /
                            std::sqrt(static_cast<double>(config_.head_dim)));
}

void Transformer::Embed(const RowBatch& batch, float* x) {
  ops::Embedding(context(), {.table = embedding(),
                             .tokens = batch.tokens.data(),
                             .y = x,
                             .rows = batch.rows(),
                             .cols = config_.hidden_size,
                             .dtype = dtype_});
}

void Transformer::RunLayer(int64_t index, const RowBatch& batch, float* x,
                           const LayerBuffers& b) {
  const Layer& layer = layers_[static_cast<size_t>(index)];
  if (lean() && forward_layer_ != index) {
    Pack(lent_, index, PackedMatrix::Source::kTransposed);
    forward_layer_ = index;
  }
  const int64_t rows = batch.rows();
  const ops::KvBlocks cache = batch.cache->Layer(index);
  const ops::CpuContext cpu = context();
  Norm(x, rows, layer.input_norm, b.norm, b.inv_rms);
  ops::Matmul(cpu, {.x = b.norm, .b = layer.qkv.get(), .y = b.qkv, .m = rows});
  // k follows q in a row, so both turn as if they were heads of one matrix.
  ops::Rope(cpu,
            {.x = b.qkv,
             .positions = batch.positions.data(),
             .table = &rope_,
             .rows = rows,
             .heads = config_.num_attention_heads + config_.num_key_value_heads,
             .row_stride = qkv_width()});
  ops::KvStore(cpu, {.k = b.qkv + q_width(),
                     .v = b.qkv + q_width() + kv_width(),
                     .row_stride = qkv_width(),
                     .cache = cache,
                     .sequences = batch.stores.empty() ? batch.sequences
                                                       : batch.stores});
  ops::Attention(cpu, {.q = b.qkv,
                       .row_stride = qkv_width(),
                       .cache = cache,
                       .sequences = batch.sequences,
                       .heads = config_.num_attention_heads,
                       .scale = attention_scale(),
                       .out = b.attention,
                       .log_sum_exp = b.log_sum_exp});
  ops::Matmul(cpu, {.x = b.attention,
                    .b = layer.o.get(),
                    .y = x,
                    .m = rows,
                    .into = ops::Into::kAdd});
  if (b.mlp_input != nullptr) {
    Copy(x, rows * config_.hidden_size, b.mlp_input);
  }
  Norm(x, rows, layer.mlp_norm, b.mlp_norm, b.mlp_inv_rms);
  ops::Matmul(
      cpu,
      {.x = b.mlp_norm, .b = layer.gate_up.get(), .y = b.gate_up, .m = rows});
  ops::SwiGlu(cpu, {.gate_up = b.gate_up,
                    .y = b.activation,
                    .rows = rows,
                    .cols = config_.intermediate_size,
                    .dtype = dtype_});
  ops::Matmul(cpu, {.x = b.activation,
                    .b = layer.down.get(),
                    .y = x,
                    .m = rows,
                    .into = ops::Into::kAdd});
}

void Transformer::Norm(const float* x, int64_t rows,
                       const std::vector<float>& gamma, void* y,
                       float* inv_rms) {
  ops::RmsNorm(context(), {.x = x,
                           .gamma = gamma.data(),
                           .y = y,
                           .inv_rms = inv_rms,
                           .rows = rows,
                           .cols = config_.hidden_size,
                           .eps = static_cast<float>(config_.rms_norm_eps),
                           .dtype = dtype_});
}

void Transformer::Copy(const float* from, int64_t count, float* to) {
  constexpr int64_t kBlock = 1 << 15;
  pool_->For((count + kBlock - 1) / kBlock, [&](int64_t block) {
    const int64_t begin = block * kBlock;
    const int64_t n = std::min(kBlock, count - begin);
    std::memcpy(to + begin, from + begin,
                static_cast<size_t>(n) * sizeof(*from));
  });
}

void Transformer::Forward(const RowBatch& batch) {
  const int64_t rows = batch.rows();
  const int64_t size = static_cast<int64_t>(SizeOf(dtype_));
  LayerBuffers b{};
  const auto carve = [&](Carver carver) {
    x_ = carver.Take<float>(rows * config_.hidden_size);
    // Not alive at the same time: norm and mlp_norm; qkv and gate_up.
    b.norm = b.mlp_norm = carver.Bytes(rows * config_.hidden_size * size);
    b.attention = carver.Bytes(rows * q_width() * size);
    b.qkv = b.gate_up = carver.Take<float>(
        rows * std::max(qkv_width(), 2 * config_.intermediate_size));
    b.activation = carver.Bytes(rows * config_.intermediate_size * size);
    return carver.size();
  };
  carve(Carver(scratch_.Bytes(carve(Carver(nullptr)))));
  Embed(batch, x_);
  for (int64_t i = 0; i < config_.num_hidden_layers; ++i) {
    RunLayer(i, batch, x_, b);
  }
}

}  // namespace aha
