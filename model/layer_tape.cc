#include "model/layer_tape.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ops/convert.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

int64_t ElementSize(const Transformer& transformer) {
  return static_cast<int64_t>(SizeOf(transformer.dtype()));
}

}  // namespace

LayerTape::Kept LayerTape::CarveLayer(int64_t rows, Carver* carver) const {
  const ModelConfig& c = transformer_.config();
  Kept kept{};
  LayerBuffers& b = kept.buffers;
  b.mlp_input = carver->Take<float>(rows * c.hidden_size);
  b.inv_rms = carver->Take<float>(rows);
  b.mlp_inv_rms = carver->Take<float>(rows);
  b.qkv = carver->Take<float>(rows * transformer_.qkv_width());
  b.attention =
      carver->Bytes(rows * transformer_.q_width() * ElementSize(transformer_));
  b.log_sum_exp = carver->Take<float>(rows * c.num_attention_heads);
  b.gate_up = carver->Take<float>(rows * 2 * c.intermediate_size);
  return kept;
}

void LayerTape::CarveShared(int64_t rows, Carver* carver,
                            LayerBuffers* buffers) const {
  const ModelConfig& c = transformer_.config();
  const int64_t size = ElementSize(transformer_);
  buffers->norm = carver->Bytes(rows * c.hidden_size * size);
  buffers->mlp_norm = carver->Bytes(rows * c.hidden_size * size);
  buffers->activation = carver->Bytes(rows * c.intermediate_size * size);
}

void LayerTape::Carve(int64_t rows) {
  const ModelConfig& c = transformer_.config();
  const size_t layers = static_cast<size_t>(c.num_hidden_layers);
  Carver measure(nullptr);
  CarveLayer(rows, &measure);
  keep_all_ = static_cast<int64_t>(measure.size()) * c.num_hidden_layers <=
              max_kept_bytes_;
  const auto carve = [&](Carver carver) {
    x_ = carver.Take<float>(rows * c.hidden_size);
    LayerBuffers shared{};
    CarveShared(rows, &carver, &shared);
    kept_.assign(layers, Kept{});
    for (size_t i = 0; i < layers; ++i) {
      if (i == 0 || keep_all_) {
        kept_[i] = CarveLayer(rows, &carver);
      } else {
        kept_[i].buffers = kept_[0].buffers;
      }
      kept_[i].input = carver.Take<float>(rows * c.hidden_size);
      kept_[i].buffers.norm = shared.norm;
      kept_[i].buffers.mlp_norm = shared.mlp_norm;
      kept_[i].buffers.activation = shared.activation;
    }
    return carver.size();
  };
  carve(Carver(arena_.Bytes(carve(Carver(nullptr)))));
}

void LayerTape::CarveWork(const TrainingBatch& batch) {
  const ModelConfig& c = transformer_.config();
  const int64_t rows = batch.rows();
  const int64_t size = ElementSize(transformer_);
  const int64_t qkv = transformer_.qkv_width();
  const auto carve = [&](Carver carver) {
    work_.dy = carver.Bytes(rows * std::max(c.hidden_size, qkv) * size);
    work_.dwide = carver.Take<float>(
        rows * std::max(c.intermediate_size, transformer_.q_width()));
    work_.dgate_up = carver.Bytes(rows * 2 * c.intermediate_size * size);
    work_.dqkv = carver.Take<float>(rows * qkv);
    work_.dnorm = carver.Take<float>(rows * c.hidden_size);
    work_.dw = carver.Take<float>(c.hidden_size *
                                  std::max(2 * c.intermediate_size, qkv));
    if (batch.distinct_rows() < rows) {
      work_.all = CarveLayer(rows, &carver);
      work_.all.input = carver.Take<float>(rows * c.hidden_size);
      CarveShared(rows, &carver, &work_.all.buffers);
    }
    return carver.size();
  };
  carve(Carver(work_arena_.Bytes(carve(Carver(nullptr)))));
}

float* LayerTape::Forward(const TrainingBatch& batch, KvCache* cache) {
  const ModelConfig& c = transformer_.config();
  const RowBatch rows = DistinctRows(batch, cache);
  Carve(rows.rows());
  transformer_.Embed(rows, x_);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const Kept& kept = kept_[static_cast<size_t>(i)];
    transformer_.Copy(x_, rows.rows() * c.hidden_size, kept.input);
    transformer_.RunLayer(i, rows, x_, kept.buffers);
  }
  return x_;
}

void LayerTape::KeepRows(absl::Span<const RowMove> moves) {
  const ModelConfig& c = transformer_.config();
  const int64_t hidden = c.hidden_size * 4;
  for (const Kept& kept : kept_) {
    const LayerBuffers& b = kept.buffers;
    MoveRows(moves, hidden, kept.input);
    if (!keep_all_) continue;  // The rest is computed again.
    MoveRows(moves, hidden, b.mlp_input);
    MoveRows(moves, 4, b.inv_rms);
    MoveRows(moves, 4, b.mlp_inv_rms);
    MoveRows(moves, transformer_.qkv_width() * 4, b.qkv);
    MoveRows(moves, transformer_.q_width() * ElementSize(transformer_),
             b.attention);
    MoveRows(moves, c.num_attention_heads * 4, b.log_sum_exp);
    MoveRows(moves, 2 * c.intermediate_size * 4, b.gate_up);
  }
}

const LayerTape::Kept& LayerTape::Restore(int64_t layer,
                                          const RowBatch& distinct) {
  const Kept& kept = kept_[static_cast<size_t>(layer)];
  const ModelConfig& c = transformer_.config();
  const int64_t rows = distinct.rows();
  const LayerBuffers& b = kept.buffers;
  if (!keep_all_) {
    transformer_.Copy(kept.input, rows * c.hidden_size, x_);
    transformer_.RunLayer(layer, distinct, x_, b);
    return kept;
  }
  const Layer& weights = transformer_.layer(layer);
  transformer_.Norm(kept.input, rows, weights.input_norm, b.norm, nullptr);
  transformer_.Norm(b.mlp_input, rows, weights.mlp_norm, b.mlp_norm, nullptr);
  ops::SwiGlu(transformer_.context(), {.gate_up = b.gate_up,
                                       .y = b.activation,
                                       .rows = rows,
                                       .cols = c.intermediate_size,
                                       .dtype = transformer_.dtype()});
  return kept;
}

void LayerTape::CopyToAll(absl::Span<const RowMove> copies, const Kept& kept) {
  const ModelConfig& c = transformer_.config();
  const int64_t size = ElementSize(transformer_);
  const LayerBuffers& from = kept.buffers;
  const LayerBuffers& to = work_.all.buffers;
  const struct {
    const void* from;
    void* to;
    int64_t width;
  } buffers[] = {
      {kept.input, work_.all.input, c.hidden_size * 4},
      {from.mlp_input, to.mlp_input, c.hidden_size * 4},
      {from.inv_rms, to.inv_rms, 4},
      {from.mlp_inv_rms, to.mlp_inv_rms, 4},
      {from.qkv, to.qkv, transformer_.qkv_width() * 4},
      {from.attention, to.attention, transformer_.q_width() * size},
      {from.log_sum_exp, to.log_sum_exp, c.num_attention_heads * 4},
      {from.gate_up, to.gate_up, 2 * c.intermediate_size * 4},
      {from.norm, to.norm, c.hidden_size * size},
      {from.mlp_norm, to.mlp_norm, c.hidden_size * size},
      {from.activation, to.activation, c.intermediate_size * size},
  };
  transformer_.pool().For(static_cast<int64_t>(copies.size()), [&](int64_t i) {
    const RowMove& copy = copies[static_cast<size_t>(i)];
    for (const auto& buffer : buffers) {
      std::memcpy(
          static_cast<char*>(buffer.to) + copy.to * buffer.width,
          static_cast<const char*>(buffer.from) + copy.from * buffer.width,
          static_cast<size_t>(copy.count * buffer.width));
    }
  });
}

absl::Status LayerTape::Backward(const TrainingBatch& batch, KvCache* cache,
                                 float* dx, GradientSum* sum) {
  CarveWork(batch);
  const RowBatch distinct = DistinctRows(batch, cache);
  const RowBatch all = AllRows(batch, cache);
  const bool shared = distinct.rows() < all.rows();
  const std::vector<RowMove> copies =
      shared ? CopiesOf(batch) : std::vector<RowMove>();
  for (int64_t i = transformer_.config().num_hidden_layers - 1; i >= 0; --i) {
    const Kept& restored = Restore(i, distinct);
    if (shared) CopyToAll(copies, restored);
    const Kept& kept = shared ? work_.all : restored;
    transformer_.PrepareGradient(i);
    AHA_RETURN_IF_ERROR(MlpBackward(i, all.rows(), kept, dx, sum));
    AHA_RETURN_IF_ERROR(AttentionBackward(i, all, kept, dx, sum));
  }
  return absl::OkStatus();
}

absl::Status LayerTape::MlpBackward(int64_t layer, int64_t rows,
                                    const Kept& kept, float* dx,
                                    GradientSum* sum) {
  const ModelConfig& c = transformer_.config();
  const ops::CpuContext cpu = transformer_.context();
  const Layer& weights = transformer_.layer(layer);
  const LayerBuffers& b = kept.buffers;
  ops::Round(cpu, dx, work_.dy, rows * c.hidden_size, transformer_.dtype());
  AHA_RETURN_IF_ERROR(AddWeightGradient(
      layer, {"mlp.down_proj.weight"},
      {.dy = work_.dy, .x = b.activation, .rows = rows}, sum));
  ops::Matmul(cpu, {.x = work_.dy,
                    .b = weights.down_grad.get(),
                    .y = work_.dwide,
                    .m = rows});
  ops::SwiGluGrad(cpu, {.gate_up = b.gate_up,
                        .dy = work_.dwide,
                        .dgate_up = work_.dgate_up,
                        .rows = rows,
                        .cols = c.intermediate_size,
                        .dtype = transformer_.dtype()});
  AHA_RETURN_IF_ERROR(AddWeightGradient(
      layer, {"mlp.gate_proj.weight", "mlp.up_proj.weight"},
      {.dy = work_.dgate_up, .x = b.mlp_norm, .rows = rows}, sum));
  ops::Matmul(cpu, {.x = work_.dgate_up,
                    .b = weights.gate_up_grad.get(),
                    .y = work_.dnorm,
                    .m = rows});
  return NormBackward(layer, "post_attention_layernorm.weight",
                      {.x = b.mlp_input,
                       .gamma = weights.mlp_norm.data(),
                       .inv_rms = b.mlp_inv_rms,
                       .dx = dx,
                       .rows = rows},
                      sum);
}

absl::Status LayerTape::AttentionBackward(int64_t layer, const RowBatch& batch,
                                          const Kept& kept, float* dx,
                                          GradientSum* sum) {
  const ModelConfig& c = transformer_.config();
  const ops::CpuContext cpu = transformer_.context();
  const Layer& weights = transformer_.layer(layer);
  const LayerBuffers& b = kept.buffers;
  const int64_t rows = batch.rows();
  const int64_t stride = transformer_.qkv_width();
  ops::Round(cpu, dx, work_.dy, rows * c.hidden_size, transformer_.dtype());
  AHA_RETURN_IF_ERROR(
      AddWeightGradient(layer, {"self_attn.o_proj.weight"},
                        {.dy = work_.dy, .x = b.attention, .rows = rows}, sum));
  ops::Matmul(
      cpu,
      {.x = work_.dy, .b = weights.o_grad.get(), .y = work_.dwide, .m = rows});
  ops::AttentionGrad(cpu, {.q = b.qkv,
                           .row_stride = stride,
                           .cache = batch.cache->Layer(layer),
                           .sequences = batch.sequences,
                           .heads = c.num_attention_heads,
                           .scale = transformer_.attention_scale(),
                           .out = b.attention,
                           .log_sum_exp = b.log_sum_exp,
                           .dout = work_.dwide,
                           .dq = work_.dqkv,
                           .dk = work_.dqkv + transformer_.q_width(),
                           .dv = work_.dqkv + transformer_.q_width() +
                                 transformer_.kv_width()});
  ops::Rope(cpu, {.x = work_.dqkv,
                  .positions = batch.positions.data(),
                  .table = &transformer_.rope(),
                  .rows = rows,
                  .heads = c.num_attention_heads + c.num_key_value_heads,
                  .row_stride = stride,
                  .turn = ops::Turn::kBackward});
  ops::Round(cpu, work_.dqkv, work_.dy, rows * stride, transformer_.dtype());
  AHA_RETURN_IF_ERROR(
      AddWeightGradient(layer,
                        {"self_attn.q_proj.weight", "self_attn.k_proj.weight",
                         "self_attn.v_proj.weight"},
                        {.dy = work_.dy, .x = b.norm, .rows = rows}, sum));
  ops::Matmul(cpu, {.x = work_.dy,
                    .b = weights.qkv_grad.get(),
                    .y = work_.dnorm,
                    .m = rows});
  return NormBackward(layer, "input_layernorm.weight",
                      {.x = kept.input,
                       .gamma = weights.input_norm.data(),
                       .inv_rms = b.inv_rms,
                       .dx = dx,
                       .rows = rows},
                      sum);
}

absl::Status LayerTape::AddWeightGradient(int64_t layer,
                                          const std::vector<const char*>& names,
                                          const Product& product,
                                          GradientSum* sum) {
  std::vector<const TensorInfo*> tensors;
  int64_t out = 0;
  for (const char* name : names) {
    tensors.push_back(
        &sum->layout().Find(absl::StrCat("model.layers.", layer, ".", name)));
    out += tensors.back()->shape[0];
  }
  ops::MatmulGradWeight(transformer_.context(),
                        {.dy = product.dy,
                         .x = product.x,
                         .dw = work_.dw,
                         .m = product.rows,
                         .n = out,
                         .k = tensors.front()->shape[1],
                         .dtype = transformer_.dtype()});
  const float* dw = work_.dw;
  for (const TensorInfo* tensor : tensors) {
    AHA_RETURN_IF_ERROR(sum->Add(*tensor, dw, transformer_.pool()));
    dw += tensor->count;
  }
  return absl::OkStatus();
}

absl::Status LayerTape::NormBackward(int64_t layer, const char* name,
                                     const Norm& norm, GradientSum* sum) {
  ops::RmsNormGrad(transformer_.context(),
                   {.x = norm.x,
                    .gamma = norm.gamma,
                    .inv_rms = norm.inv_rms,
                    .dy = work_.dnorm,
                    .dx = norm.dx,
                    .dgamma = work_.dw,
                    .rows = norm.rows,
                    .cols = transformer_.config().hidden_size});
  return sum->Add(
      sum->layout().Find(absl::StrCat("model.layers.", layer, ".", name)),
      work_.dw, transformer_.pool());
}

}  // namespace aha
