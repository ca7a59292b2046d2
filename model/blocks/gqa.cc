#include "model/blocks/gqa.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/blocks/norm.h"
#include "model/blocks/output_norm.h"
#include "model/blocks/product.h"
#include "model/certifier.h"
#include "ops/attention.h"
#include "ops/bias.h"
#include "ops/convert.h"
#include "ops/qk_norm.h"
#include "ops/rope.h"

namespace aha {
namespace {

// Indices of the activations.
enum GqaActivation : size_t {
  kNormed,     // [rows, hidden], dtype: what is projected
  kInvRms,     // [rows]
  kProjected,  // [rows, qkv]: q, k and v of a row side by side; without qk_norm
               // q and k are turned in place
  kAttended,   // [rows, q], dtype
  kLogSumExp,  // [rows, heads]
  kGqaOutput,  // [rows, hidden] and [rows], of OutputNorm (output_norm.h);
  kGqaOutputInvRms,  // empty without it
  kTurned,  // [rows, qkv]: q and k after norm and rotation; qk_norm only
};

// Widths of a row, in elements.
int64_t QWidth(const GqaShape& s) { return s.heads * s.head_dim; }
int64_t KvWidth(const GqaShape& s) { return s.kv_heads * s.head_dim; }
int64_t QkvWidth(const GqaShape& s) { return QWidth(s) + 2 * KvWidth(s); }

float SoftmaxScale(const GqaShape& s) {
  const double scalar =
      s.query_scalar > 0 ? s.query_scalar : static_cast<double>(s.head_dim);
  return static_cast<float>(1.0 / std::sqrt(scalar));
}

// Where each tensor stands among the block's.
struct GqaTensors {
  absl::Span<const TensorInfo> projections;  // q, k, v
  absl::Span<const TensorInfo> biases;       // q, k, v; may be empty.
  const TensorInfo* q_norm = nullptr;        // Null without qk_norm.
  const TensorInfo* k_norm = nullptr;
  const TensorInfo* input_norm = nullptr;
  absl::Span<const TensorInfo> output;
  const TensorInfo* output_norm = nullptr;  // Null without.
};

// In the order of GqaSpec::Tensors.
GqaTensors Assign(const GqaShape& shape, absl::Span<const TensorInfo> tensors) {
  GqaTensors assigned;
  const auto take = [&](size_t count) {
    const absl::Span<const TensorInfo> taken = tensors.first(count);
    tensors.remove_prefix(count);
    return taken;
  };
  assigned.input_norm = take(1).data();
  assigned.projections = take(3);
  if (shape.qkv_bias) assigned.biases = take(3);
  if (shape.qk_norm) {
    assigned.q_norm = take(1).data();
    assigned.k_norm = take(1).data();
  }
  assigned.output = take(1);
  if (!shape.output_norm.empty()) assigned.output_norm = take(1).data();
  return assigned;
}

ops::KvBlocks KvBlocksOf(const GqaShape& shape, DType dtype,
                         const KvCache& cache, int64_t first_plane) {
  return {.k = cache.Plane(first_plane),
          .v = cache.Plane(first_plane + 1),
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim,
          .dtype = dtype};
}

class GqaSpec : public BlockSpec {
 public:
  explicit GqaSpec(const GqaShape& shape) : shape_(shape) {}

  std::string Name() const override;
  std::vector<TensorSpec> Tensors() const override;
  std::vector<int64_t> KvPlanes(DType dtype) const override;
  std::vector<Activation> Activations(DType dtype) const override;
  int64_t BackwardScratchBytes(int64_t rows, DType dtype) const override;
  absl::Status Certify(Certifier* certifier) const override;
  absl::StatusOr<std::unique_ptr<Block>> Create(
      BlockEnvironment* environment, const BlockPlace& place) const override;

 private:
  absl::Status CertifyAttention(Certifier* certifier) const;
  absl::Status CertifyBias(Certifier* certifier) const;
  absl::Status CertifyQkNorm(Certifier* certifier) const;

  const GqaShape shape_;
};

// The memory of Backward.
struct GqaScratch {
  void* dy;          // [rows, max(hidden, qkv)], dtype
  float* doutput;    // [rows, hidden]; null without a norm of the output
  float* dattended;  // [rows, q]
  float* dqkv;       // [rows, qkv]
  float* dnormed;    // [rows, hidden]
  float* dw;         // Gradient of the largest tensors of one product.
};

GqaScratch CarveGqa(const GqaShape& s, DType dtype, int64_t rows,
                    Carver* carver) {
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  const int64_t qkv = QkvWidth(s);
  GqaScratch scratch{};
  scratch.dy = carver->Bytes(rows * std::max(s.hidden_size, qkv) * element);
  scratch.doutput =
      CarveOutputGradient(!s.output_norm.empty(), rows, s.hidden_size, carver);
  scratch.dattended = carver->Take<float>(rows * QWidth(s));
  scratch.dqkv = carver->Take<float>(rows * qkv);
  scratch.dnormed = carver->Take<float>(rows * s.hidden_size);
  scratch.dw = carver->Take<float>(s.hidden_size * qkv);
  return scratch;
}

class Gqa : public Block {
 public:
  static absl::StatusOr<std::unique_ptr<Block>> Create(
      const GqaShape& shape, BlockEnvironment* environment,
      const BlockPlace& place);

  void Load(const Parameters& parameters) override;
  void Forward(const RowBatch& batch, float* x,
               const ActivationBuffers& buffers) override;
  void Recompute(const RowBatch& batch, const float* input,
                 const ActivationBuffers& buffers) override;
  absl::Status Backward(const BackwardArgs& args) override;

 private:
  // The products of a block that is being made.
  struct Products {
    Product qkv, output;
  };
  Gqa(const GqaShape& shape, BlockEnvironment* environment,
      const BlockPlace& place, Products products);

  // Norms and rotates q and k of every row; the result has the width of qkv.
  float* Turn(const RowBatch& batch, const ActivationBuffers& buffers) const;
  // With what Turn left in the buffers: the result of Turn.
  float* Turned(const ActivationBuffers& buffers) const;
  // From the gradient of the attention's output to that of q, k and v as they
  // were projected; adds the gradients of norms and biases to the sum.
  absl::Status AttentionBackward(const BackwardArgs& args,
                                 const GqaScratch& scratch);
  absl::Status QkNormBackward(const BackwardArgs& args,
                              const GqaScratch& scratch);
  absl::Status BiasBackward(const BackwardArgs& args,
                            const GqaScratch& scratch);
  // The gradient of the projection and of the norm before it.
  absl::Status InputBackward(const BackwardArgs& args,
                             const GqaScratch& scratch);
  ops::KvBlocks Kv(const RowBatch& batch) const {
    return KvBlocksOf(shape_, environment_->dtype(), *batch.cache, kv_plane_);
  }
  float scale() const { return SoftmaxScale(shape_); }
  float norm_epsilon() const { return static_cast<float>(shape_.norm.epsilon); }

  const GqaShape shape_;
  BlockEnvironment* const environment_;
  const GqaTensors tensors_;
  const int64_t kv_plane_;
  const int64_t q_width_, kv_width_, qkv_width_;
  const std::shared_ptr<const ops::RopeTable> rope_;
  Norm norm_;
  Product qkv_;
  Product output_;
  OutputNorm output_norm_;
  std::vector<float> bias_;             // Bias of q, k and v; empty without.
  std::vector<float> q_norm_, k_norm_;  // Gains; empty without.
};

std::string GqaSpec::Name() const {
  return absl::StrCat(
      "gqa hidden=", shape_.hidden_size, " heads=", shape_.heads,
      " kv_heads=", shape_.kv_heads, " head_dim=", shape_.head_dim,
      shape_.qkv_bias ? " bias" : "", shape_.qk_norm ? " qk_norm" : "",
      shape_.window > 0 ? absl::StrCat(" window=", shape_.window) : "",
      shape_.output_norm.empty() ? "" : " output_norm");
}

std::vector<TensorSpec> GqaSpec::Tensors() const {
  const int64_t hidden = shape_.hidden_size;
  const int64_t q = QWidth(shape_), kv = KvWidth(shape_);
  std::vector<TensorSpec> tensors;
  const InitialValue gains = shape_.norm.initial();
  tensors.push_back({shape_.input_norm, {hidden}, gains});
  const auto add = [&](const char* name, std::vector<int64_t> extents,
                       InitialValue initial) {
    tensors.push_back(
        {absl::StrCat(shape_.prefix, name), std::move(extents), initial});
  };
  add("q_proj.weight", {q, hidden}, InitialValue::kNormal);
  add("k_proj.weight", {kv, hidden}, InitialValue::kNormal);
  add("v_proj.weight", {kv, hidden}, InitialValue::kNormal);
  if (shape_.qkv_bias) {
    add("q_proj.bias", {q}, InitialValue::kZero);
    add("k_proj.bias", {kv}, InitialValue::kZero);
    add("v_proj.bias", {kv}, InitialValue::kZero);
  }
  if (shape_.qk_norm) {
    add("q_norm.weight", {shape_.head_dim}, gains);
    add("k_norm.weight", {shape_.head_dim}, gains);
  }
  add("o_proj.weight", {hidden, q}, InitialValue::kNormalIntoResidual);
  if (!shape_.output_norm.empty()) {
    tensors.push_back({shape_.output_norm, {hidden}, gains});
  }
  return tensors;
}

// The keys and the values, as ops::KvBlocks.
std::vector<int64_t> GqaSpec::KvPlanes(DType dtype) const {
  const int64_t bytes =
      KvWidth(shape_) * ops::kBlockTokens * static_cast<int64_t>(SizeOf(dtype));
  return {bytes, bytes};
}

std::vector<Activation> GqaSpec::Activations(DType dtype) const {
  constexpr int64_t kFloat = sizeof(float);
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  std::vector<Activation> activations(kTurned);
  activations[kNormed] = {shape_.hidden_size * element,
                          ActivationUse::kRecomputed};
  activations[kInvRms] = {kFloat, ActivationUse::kBackward};
  activations[kProjected] = {QkvWidth(shape_) * kFloat, ActivationUse::kSaved};
  activations[kAttended] = {QWidth(shape_) * element, ActivationUse::kSaved};
  activations[kLogSumExp] = {shape_.heads * kFloat, ActivationUse::kBackward};
  const OutputNormActivations output =
      ActivationsOfOutputNorm(!shape_.output_norm.empty(), shape_.hidden_size);
  activations[kGqaOutput] = output.output;
  activations[kGqaOutputInvRms] = output.inv_rms;
  if (shape_.qk_norm) {
    activations.push_back(
        {QkvWidth(shape_) * kFloat, ActivationUse::kRecomputed});
  }
  return activations;
}

int64_t GqaSpec::BackwardScratchBytes(int64_t rows, DType dtype) const {
  Carver measure(nullptr);
  CarveGqa(shape_, dtype, rows, &measure);
  return static_cast<int64_t>(measure.size());
}

absl::StatusOr<std::unique_ptr<Block>> GqaSpec::Create(
    BlockEnvironment* environment, const BlockPlace& place) const {
  return Gqa::Create(shape_, environment, place);
}

absl::Status GqaSpec::Certify(Certifier* certifier) const {
  const int64_t hidden = shape_.hidden_size;
  AHA_RETURN_IF_ERROR(certifier->CheckNorm(hidden, shape_.norm.epsilon));
  AHA_RETURN_IF_ERROR(certifier->CheckProduct(
      {.in = hidden, .out = QkvWidth(shape_), .into = ops::Into::kOverwrite}));
  if (shape_.qkv_bias) AHA_RETURN_IF_ERROR(CertifyBias(certifier));
  if (shape_.qk_norm) AHA_RETURN_IF_ERROR(CertifyQkNorm(certifier));
  AHA_RETURN_IF_ERROR(CertifyAttention(certifier));
  const bool normed = !shape_.output_norm.empty();
  if (normed) {
    AHA_RETURN_IF_ERROR(certifier->CheckAddedNorm(hidden, shape_.norm.epsilon));
  }
  return certifier->CheckProduct(
      {.in = QWidth(shape_),
       .out = hidden,
       .into = normed ? ops::Into::kOverwrite : ops::Into::kAdd});
}

absl::Status GqaSpec::CertifyBias(Certifier* certifier) const {
  constexpr int64_t kRows = Certifier::kRows;
  const int64_t width = QkvWidth(shape_);
  const std::vector<float> x = certifier->RandomFloats(kRows * width, 1);
  const std::vector<float> bias = certifier->RandomFloats(width, 1);
  return certifier->Check(
      absl::StrCat("bias n=", width), 4 * width, Certifier::Which::kFirst,
      [&](const ops::Context& device, int64_t m, void* out) {
        float* y = static_cast<float*>(out);
        std::copy_n(x.data(), m * width, y);
        ops::AddBias(device,
                     {.bias = bias.data(), .y = y, .rows = m, .cols = width});
      });
}

absl::Status GqaSpec::CertifyQkNorm(Certifier* certifier) const {
  constexpr int64_t kRows = Certifier::kRows;
  const int64_t width = QWidth(shape_);
  const std::vector<float> x = certifier->RandomFloats(kRows * width, 1);
  const std::vector<float> gains = certifier->RandomFloats(shape_.head_dim, 1);
  return certifier->Check(
      absl::StrCat("qk_norm heads=", shape_.heads,
                   " head_dim=", shape_.head_dim),
      4 * width, Certifier::Which::kFirst,
      [&](const ops::Context& device, int64_t m, void* out) {
        ops::QkNorm(device, {.x = x.data(),
                             .gamma = gains.data(),
                             .y = static_cast<float*>(out),
                             .rows = m,
                             .row_stride = width,
                             .heads = shape_.heads,
                             .head_dim = shape_.head_dim,
                             .eps = static_cast<float>(shape_.norm.epsilon)});
      });
}

// Rows of one sequence as a chunk of it, and each as if it were decoded. A
// window is cut short, so that keys of these few rows are outside of it.
absl::Status GqaSpec::CertifyAttention(Certifier* certifier) const {
  constexpr int64_t kRows = Certifier::kRows;
  const DType dtype = certifier->dtype();
  const int64_t q_width = QWidth(shape_), kv_width = KvWidth(shape_);
  std::vector<int32_t> table;
  for (int32_t b = kRows / ops::kBlockTokens; b-- > 0;) table.push_back(b);
  AHA_ASSIGN_OR_RETURN(
      const KvCache cache,
      KvCache::Create(KvPlanes(dtype), static_cast<int64_t>(table.size())));
  const ops::KvBlocks kv_blocks = KvBlocksOf(shape_, dtype, cache, 0);
  const auto rows_at = [&](int64_t position, int64_t first, int64_t rows) {
    return ops::SequenceRows{.blocks = table.data(),
                             .first_row = first,
                             .rows = rows,
                             .first_position = position};
  };
  const ops::SequenceRows all = rows_at(0, 0, kRows);
  const std::vector<float> kv =
      certifier->RandomFloats(kRows * 2 * kv_width, 2);
  ops::KvStore(certifier->one(), {.k = kv.data(),
                                  .v = kv.data() + kv_width,
                                  .row_stride = 2 * kv_width,
                                  .cache = kv_blocks,
                                  .sequences = {&all, 1}});
  const std::vector<float> q = certifier->RandomFloats(kRows * q_width, 2);
  const auto attend = [&](const ops::Context& device, int64_t m,
                          absl::Span<const ops::SequenceRows> sequences,
                          void* out) {
    ops::Attention(device, {.q = q.data() + (kRows - m) * q_width,
                            .row_stride = q_width,
                            .cache = kv_blocks,
                            .sequences = sequences,
                            .heads = shape_.heads,
                            .scale = 0.2f,
                            .out = out,
                            .log_sum_exp = nullptr,
                            .window = std::min<int64_t>(shape_.window, 41)});
  };
  const int64_t row_bytes = q_width * static_cast<int64_t>(SizeOf(dtype));
  AHA_RETURN_IF_ERROR(certifier->Check(
      "attention", row_bytes, Certifier::Which::kLast,
      [&](const ops::Context& device, int64_t m, void* out) {
        const ops::SequenceRows chunk = rows_at(kRows - m, 0, m);
        attend(device, m, {&chunk, 1}, out);
      }));
  // kRows rows are the chunk again, so both ways are held to the same bits.
  return certifier->Check(
      "attention of single rows", row_bytes, Certifier::Which::kLast,
      [&](const ops::Context& device, int64_t m, void* out) {
        std::vector<ops::SequenceRows> single;
        for (int64_t i = 0; i < m; ++i) {
          single.push_back(rows_at(kRows - m + i, i, 1));
        }
        if (m == kRows) single = {all};
        attend(device, m, single, out);
      });
}

Gqa::Gqa(const GqaShape& shape, BlockEnvironment* environment,
         const BlockPlace& place, Products products)
    : shape_(shape),
      environment_(environment),
      tensors_(Assign(shape, place.tensors)),
      kv_plane_(place.first_kv_plane),
      q_width_(QWidth(shape)),
      kv_width_(KvWidth(shape)),
      qkv_width_(QkvWidth(shape)),
      rope_(environment->Rope({.max_positions = shape.max_positions,
                               .head_dim = shape.head_dim,
                               .rope = shape.rope})),
      norm_(environment, *tensors_.input_norm, shape.norm),
      qkv_(std::move(products.qkv)),
      output_(std::move(products.output)),
      output_norm_(environment, tensors_.output_norm, shape.norm) {
  const size_t head_dim = static_cast<size_t>(shape.head_dim);
  if (shape.qkv_bias) bias_.resize(static_cast<size_t>(qkv_width_));
  if (shape.qk_norm) {
    q_norm_.resize(head_dim);
    k_norm_.resize(head_dim);
  }
}

absl::StatusOr<std::unique_ptr<Block>> Gqa::Create(
    const GqaShape& shape, BlockEnvironment* environment,
    const BlockPlace& place) {
  const GqaTensors tensors = Assign(shape, place.tensors);
  AHA_ASSIGN_OR_RETURN(Product qkv,
                       Product::Create(environment, tensors.projections));
  AHA_ASSIGN_OR_RETURN(Product output,
                       Product::Create(environment, tensors.output));
  return std::unique_ptr<Block>(
      new Gqa(shape, environment, place, {std::move(qkv), std::move(output)}));
}

void Gqa::Load(const Parameters& parameters) {
  norm_.Load(parameters);
  qkv_.Load(parameters);
  output_.Load(parameters);
  output_norm_.Load(parameters);
  if (shape_.qkv_bias) {
    bias_.clear();
    for (const TensorInfo& tensor : tensors_.biases) {
      const std::vector<float> part = ToFloats(parameters, tensor);
      bias_.insert(bias_.end(), part.begin(), part.end());
    }
  }
  if (shape_.qk_norm) {
    q_norm_ = ToGains(parameters, *tensors_.q_norm, shape_.norm);
    k_norm_ = ToGains(parameters, *tensors_.k_norm, shape_.norm);
  }
}

float* Gqa::Turned(const ActivationBuffers& buffers) const {
  return buffers.floats(shape_.qk_norm ? kTurned : kProjected);
}

float* Gqa::Turn(const RowBatch& batch,
                 const ActivationBuffers& buffers) const {
  const auto device = environment_->context();
  const float* projected = buffers.floats(kProjected);
  float* turned = Turned(buffers);
  if (shape_.qk_norm) {
    ops::QkNormArgs norm = {.x = projected,
                            .gamma = q_norm_.data(),
                            .y = turned,
                            .rows = batch.rows(),
                            .row_stride = qkv_width_,
                            .heads = shape_.heads,
                            .head_dim = shape_.head_dim,
                            .eps = norm_epsilon()};
    ops::QkNorm(device, norm);
    norm.x += q_width_;
    norm.gamma = k_norm_.data();
    norm.y += q_width_;
    norm.heads = shape_.kv_heads;
    ops::QkNorm(device, norm);
  }
  // k follows q in a row, so both turn as if they were heads of one matrix.
  ops::Rope(device, {.x = turned,
                     .positions = batch.positions.data(),
                     .table = rope_.get(),
                     .rows = batch.rows(),
                     .heads = shape_.heads + shape_.kv_heads,
                     .row_stride = qkv_width_});
  return turned;
}

void Gqa::Forward(const RowBatch& batch, float* x,
                  const ActivationBuffers& buffers) {
  const auto device = environment_->context();
  const int64_t rows = batch.rows();
  float* projected = buffers.floats(kProjected);
  norm_.Forward(x, rows, buffers.at[kNormed], buffers.floats(kInvRms));
  qkv_.Forward({.x = buffers.at[kNormed], .y = projected, .rows = rows});
  if (shape_.qkv_bias) {
    ops::AddBias(device, {.bias = bias_.data(),
                          .y = projected,
                          .rows = rows,
                          .cols = qkv_width_});
  }
  const float* turned = Turn(batch, buffers);
  ops::KvStore(device, {.k = turned + q_width_,
                        .v = projected + q_width_ + kv_width_,
                        .row_stride = qkv_width_,
                        .cache = Kv(batch),
                        .sequences = batch.stored()});
  ops::Attention(device, {.q = turned,
                          .row_stride = qkv_width_,
                          .cache = Kv(batch),
                          .sequences = batch.sequences,
                          .heads = shape_.heads,
                          .scale = scale(),
                          .out = buffers.at[kAttended],
                          .log_sum_exp = buffers.floats(kLogSumExp),
                          .window = shape_.window});
  output_norm_.Forward(&output_, {.x = buffers.at[kAttended],
                                  .stream = x,
                                  .rows = rows,
                                  .output = buffers.floats(kGqaOutput),
                                  .inv_rms = buffers.floats(kGqaOutputInvRms)});
}

void Gqa::Recompute(const RowBatch& batch, const float* input,
                    const ActivationBuffers& buffers) {
  norm_.Forward(input, batch.rows(), buffers.at[kNormed], nullptr);
  if (shape_.qk_norm) Turn(batch, buffers);
}

absl::Status Gqa::Backward(const BackwardArgs& args) {
  Carver carver(args.scratch);
  const GqaScratch scratch =
      CarveGqa(shape_, environment_->dtype(), args.batch.rows(), &carver);
  AHA_RETURN_IF_ERROR(AttentionBackward(args, scratch));
  return InputBackward(args, scratch);
}

absl::Status Gqa::AttentionBackward(const BackwardArgs& args,
                                    const GqaScratch& scratch) {
  const auto device = environment_->context();
  const int64_t rows = args.batch.rows();
  const ActivationBuffers& buffers = args.buffers;
  AHA_ASSIGN_OR_RETURN(
      const float* doutput,
      output_norm_.Backward({.output = buffers.floats(kGqaOutput),
                             .inv_rms = buffers.floats(kGqaOutputInvRms),
                             .dx = args.dx,
                             .doutput = scratch.doutput,
                             .dgains = scratch.dw,
                             .rows = rows},
                            args.sum));
  ops::Round(device, doutput, scratch.dy, rows * shape_.hidden_size,
             environment_->dtype());
  AHA_RETURN_IF_ERROR(output_.AddWeightGradient({.dy = scratch.dy,
                                                 .x = buffers.at[kAttended],
                                                 .rows = rows,
                                                 .dw = scratch.dw},
                                                args.sum));
  output_.InputGradient(scratch.dy, rows, scratch.dattended);
  ops::AttentionGrad(device, {.q = Turned(buffers),
                              .row_stride = qkv_width_,
                              .cache = Kv(args.batch),
                              .sequences = args.batch.sequences,
                              .heads = shape_.heads,
                              .scale = scale(),
                              .out = buffers.at[kAttended],
                              .log_sum_exp = buffers.floats(kLogSumExp),
                              .dout = scratch.dattended,
                              .dq = scratch.dqkv,
                              .dk = scratch.dqkv + q_width_,
                              .dv = scratch.dqkv + q_width_ + kv_width_,
                              .window = shape_.window});
  ops::Rope(device, {.x = scratch.dqkv,
                     .positions = args.batch.positions.data(),
                     .table = rope_.get(),
                     .rows = rows,
                     .heads = shape_.heads + shape_.kv_heads,
                     .row_stride = qkv_width_,
                     .turn = ops::Turn::kBackward});
  if (shape_.qk_norm) AHA_RETURN_IF_ERROR(QkNormBackward(args, scratch));
  if (shape_.qkv_bias) return BiasBackward(args, scratch);
  return absl::OkStatus();
}

absl::Status Gqa::QkNormBackward(const BackwardArgs& args,
                                 const GqaScratch& scratch) {
  ops::QkNormGradArgs norm = {.x = args.buffers.floats(kProjected),
                              .gamma = q_norm_.data(),
                              .dy = scratch.dqkv,
                              .dgamma = scratch.dw,
                              .rows = args.batch.rows(),
                              .row_stride = qkv_width_,
                              .heads = shape_.heads,
                              .head_dim = shape_.head_dim,
                              .eps = norm_epsilon()};
  ops::QkNormGrad(environment_->context(), norm);
  AHA_RETURN_IF_ERROR(
      args.sum->Add(*tensors_.q_norm, scratch.dw, environment_->context()));
  norm.x += q_width_;
  norm.gamma = k_norm_.data();
  norm.dy += q_width_;
  norm.heads = shape_.kv_heads;
  ops::QkNormGrad(environment_->context(), norm);
  return args.sum->Add(*tensors_.k_norm, scratch.dw, environment_->context());
}

absl::Status Gqa::BiasBackward(const BackwardArgs& args,
                               const GqaScratch& scratch) {
  ops::BiasGrad(environment_->context(), {.dy = scratch.dqkv,
                                          .dbias = scratch.dw,
                                          .rows = args.batch.rows(),
                                          .cols = qkv_width_});
  const float* dbias = scratch.dw;
  for (const TensorInfo& tensor : tensors_.biases) {
    AHA_RETURN_IF_ERROR(args.sum->Add(tensor, dbias, environment_->context()));
    dbias += tensor.count;
  }
  return absl::OkStatus();
}

absl::Status Gqa::InputBackward(const BackwardArgs& args,
                                const GqaScratch& scratch) {
  const int64_t rows = args.batch.rows();
  ops::Round(environment_->context(), scratch.dqkv, scratch.dy,
             rows * qkv_width_, environment_->dtype());
  AHA_RETURN_IF_ERROR(qkv_.AddWeightGradient({.dy = scratch.dy,
                                              .x = args.buffers.at[kNormed],
                                              .rows = rows,
                                              .dw = scratch.dw},
                                             args.sum));
  qkv_.InputGradient(scratch.dy, rows, scratch.dnormed);
  return norm_.Backward({.x = args.input,
                         .inv_rms = args.buffers.floats(kInvRms),
                         .dy = scratch.dnormed,
                         .dx = args.dx,
                         .dgains = scratch.dw,
                         .rows = rows},
                        args.sum);
}

}  // namespace

std::shared_ptr<const BlockSpec> MakeGqa(const GqaShape& shape) {
  return std::make_shared<const GqaSpec>(shape);
}

}  // namespace aha
