#include "model/blocks/swiglu.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/blocks/norm.h"
#include "model/blocks/output_norm.h"
#include "model/blocks/product.h"
#include "model/certifier.h"
#include "ops/convert.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

// Indices of the activations.
enum SwiGluActivation : size_t {
  kMlpNormed,  // [rows, hidden], dtype: what is projected
  kMlpInvRms,  // [rows]
  kGateUp,     // [rows, 2 * intermediate]: gate and up of a row side by side
  kActivated,  // [rows, intermediate], dtype: f(gate) * up
  kMlpOutput,  // [rows, hidden] and [rows], of OutputNorm (output_norm.h);
  kMlpOutputInvRms,  // empty without it
  kSwiGluActivations,
};

// Indices of the tensors; gate and up are one product.
enum SwiGluTensor : size_t { kMlpNorm, kGate, kUp, kDown, kMlpOutputNorm };

// The memory of Backward.
struct SwiGluScratch {
  void* dy;           // [rows, hidden], dtype
  float* doutput;     // [rows, hidden]; null without a norm of the output
  float* dactivated;  // [rows, intermediate]
  void* dgate_up;     // [rows, 2 * intermediate], dtype
  float* dnormed;     // [rows, hidden]
  float* dw;          // [2 * intermediate, hidden]
};

SwiGluScratch CarveSwiGlu(const SwiGluShape& s, DType dtype, int64_t rows,
                          Carver* carver) {
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  SwiGluScratch scratch{};
  scratch.dy = carver->Bytes(rows * s.hidden_size * element);
  scratch.doutput =
      CarveOutputGradient(!s.output_norm.empty(), rows, s.hidden_size, carver);
  scratch.dactivated = carver->Take<float>(rows * s.intermediate_size);
  scratch.dgate_up = carver->Bytes(rows * 2 * s.intermediate_size * element);
  scratch.dnormed = carver->Take<float>(rows * s.hidden_size);
  scratch.dw = carver->Take<float>(2 * s.intermediate_size * s.hidden_size);
  return scratch;
}

class SwiGluSpec : public BlockSpec {
 public:
  explicit SwiGluSpec(const SwiGluShape& shape) : shape_(shape) {}

  std::string Name() const override;
  std::vector<TensorSpec> Tensors() const override;
  std::vector<int64_t> KvPlanes(DType) const override { return {}; }
  std::vector<Activation> Activations(DType dtype) const override;
  int64_t BackwardScratchBytes(int64_t rows, DType dtype) const override;
  absl::Status Certify(Certifier* certifier) const override;
  absl::StatusOr<std::unique_ptr<Block>> Create(
      BlockEnvironment* environment, const BlockPlace& place) const override;

 private:
  const SwiGluShape shape_;
};

class SwiGluBlock : public Block {
 public:
  // The products of a block that is being made.
  struct Products {
    Product gate_up, down;
  };
  SwiGluBlock(const SwiGluShape& shape, BlockEnvironment* environment,
              const BlockPlace& place, Products products)
      : shape_(shape),
        environment_(environment),
        norm_(environment, place.tensors[kMlpNorm], shape.norm),
        gate_up_(std::move(products.gate_up)),
        down_(std::move(products.down)),
        output_norm_(environment,
                     shape.output_norm.empty() ? nullptr
                                               : &place.tensors[kMlpOutputNorm],
                     shape.norm) {}

  void Load(const Parameters& parameters) override;
  void Forward(const RowBatch& batch, float* x,
               const ActivationBuffers& buffers) override;
  void Recompute(const RowBatch& batch, const float* input,
                 const ActivationBuffers& buffers) override;
  absl::Status Backward(const BackwardArgs& args) override;

 private:
  void Activate(int64_t rows, const ActivationBuffers& buffers) const;

  const SwiGluShape shape_;
  BlockEnvironment* const environment_;
  Norm norm_;
  Product gate_up_;
  Product down_;
  OutputNorm output_norm_;
};

std::string SwiGluSpec::Name() const {
  return absl::StrCat(shape_.gate == ops::Gate::kSilu ? "swiglu" : "geglu",
                      " hidden=", shape_.hidden_size,
                      " intermediate=", shape_.intermediate_size,
                      shape_.output_norm.empty() ? "" : " output_norm");
}

std::vector<TensorSpec> SwiGluSpec::Tensors() const {
  const int64_t hidden = shape_.hidden_size;
  const int64_t inner = shape_.intermediate_size;
  const auto name = [&](const char* matrix) {
    return absl::StrCat(shape_.prefix, matrix);
  };
  const InitialValue gains = shape_.norm.initial();
  std::vector<TensorSpec> tensors = {
      {shape_.input_norm, {hidden}, gains},
      {name("gate_proj.weight"), {inner, hidden}, InitialValue::kNormal},
      {name("up_proj.weight"), {inner, hidden}, InitialValue::kNormal},
      {name("down_proj.weight"),
       {hidden, inner},
       InitialValue::kNormalIntoResidual}};
  if (!shape_.output_norm.empty()) {
    tensors.push_back({shape_.output_norm, {hidden}, gains});
  }
  return tensors;
}

std::vector<Activation> SwiGluSpec::Activations(DType dtype) const {
  constexpr int64_t kFloat = sizeof(float);
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  std::vector<Activation> activations(kSwiGluActivations);
  activations[kMlpNormed] = {shape_.hidden_size * element,
                             ActivationUse::kRecomputed};
  activations[kMlpInvRms] = {kFloat, ActivationUse::kBackward};
  activations[kGateUp] = {2 * shape_.intermediate_size * kFloat,
                          ActivationUse::kSaved};
  activations[kActivated] = {shape_.intermediate_size * element,
                             ActivationUse::kRecomputed};
  const OutputNormActivations output =
      ActivationsOfOutputNorm(!shape_.output_norm.empty(), shape_.hidden_size);
  activations[kMlpOutput] = output.output;
  activations[kMlpOutputInvRms] = output.inv_rms;
  return activations;
}

int64_t SwiGluSpec::BackwardScratchBytes(int64_t rows, DType dtype) const {
  Carver measure(nullptr);
  CarveSwiGlu(shape_, dtype, rows, &measure);
  return static_cast<int64_t>(measure.size());
}

absl::Status SwiGluSpec::Certify(Certifier* certifier) const {
  const int64_t hidden = shape_.hidden_size;
  const int64_t inner = shape_.intermediate_size;
  AHA_RETURN_IF_ERROR(certifier->CheckNorm(hidden, shape_.norm.epsilon));
  AHA_RETURN_IF_ERROR(certifier->CheckProduct(
      {.in = hidden, .out = 2 * inner, .into = ops::Into::kOverwrite}));
  AHA_RETURN_IF_ERROR(certifier->CheckGatedUnit(inner, shape_.gate));
  const bool normed = !shape_.output_norm.empty();
  if (normed) {
    AHA_RETURN_IF_ERROR(certifier->CheckAddedNorm(hidden, shape_.norm.epsilon));
  }
  return certifier->CheckProduct(
      {.in = inner,
       .out = hidden,
       .into = normed ? ops::Into::kOverwrite : ops::Into::kAdd});
}

absl::StatusOr<std::unique_ptr<Block>> SwiGluSpec::Create(
    BlockEnvironment* environment, const BlockPlace& place) const {
  AHA_ASSIGN_OR_RETURN(
      Product gate_up,
      Product::Create(environment, place.tensors.subspan(kGate, 2)));
  AHA_ASSIGN_OR_RETURN(
      Product down,
      Product::Create(environment, place.tensors.subspan(kDown, 1)));
  return std::make_unique<SwiGluBlock>(
      shape_, environment, place,
      SwiGluBlock::Products{std::move(gate_up), std::move(down)});
}

void SwiGluBlock::Load(const Parameters& parameters) {
  norm_.Load(parameters);
  gate_up_.Load(parameters);
  down_.Load(parameters);
  output_norm_.Load(parameters);
}

void SwiGluBlock::Activate(int64_t rows,
                           const ActivationBuffers& buffers) const {
  ops::SwiGlu(environment_->context(), {.gate_up = buffers.floats(kGateUp),
                                        .y = buffers.at[kActivated],
                                        .rows = rows,
                                        .cols = shape_.intermediate_size,
                                        .dtype = environment_->dtype(),
                                        .gate = shape_.gate});
}

void SwiGluBlock::Forward(const RowBatch& batch, float* x,
                          const ActivationBuffers& buffers) {
  const int64_t rows = batch.rows();
  norm_.Forward(x, rows, buffers.at[kMlpNormed], buffers.floats(kMlpInvRms));
  gate_up_.Forward({.x = buffers.at[kMlpNormed],
                    .y = buffers.floats(kGateUp),
                    .rows = rows});
  Activate(rows, buffers);
  output_norm_.Forward(&down_, {.x = buffers.at[kActivated],
                                .stream = x,
                                .rows = rows,
                                .output = buffers.floats(kMlpOutput),
                                .inv_rms = buffers.floats(kMlpOutputInvRms)});
}

void SwiGluBlock::Recompute(const RowBatch& batch, const float* input,
                            const ActivationBuffers& buffers) {
  norm_.Forward(input, batch.rows(), buffers.at[kMlpNormed], nullptr);
  Activate(batch.rows(), buffers);
}

absl::Status SwiGluBlock::Backward(const BackwardArgs& args) {
  const auto device = environment_->context();
  const DType dtype = environment_->dtype();
  const int64_t rows = args.batch.rows();
  const ActivationBuffers& buffers = args.buffers;
  Carver carver(args.scratch);
  const SwiGluScratch scratch = CarveSwiGlu(shape_, dtype, rows, &carver);
  AHA_ASSIGN_OR_RETURN(
      const float* doutput,
      output_norm_.Backward({.output = buffers.floats(kMlpOutput),
                             .inv_rms = buffers.floats(kMlpOutputInvRms),
                             .dx = args.dx,
                             .doutput = scratch.doutput,
                             .dgains = scratch.dw,
                             .rows = rows},
                            args.sum));
  ops::Round(device, doutput, scratch.dy, rows * shape_.hidden_size, dtype);
  AHA_RETURN_IF_ERROR(down_.AddWeightGradient({.dy = scratch.dy,
                                               .x = buffers.at[kActivated],
                                               .rows = rows,
                                               .dw = scratch.dw},
                                              args.sum));
  down_.InputGradient(scratch.dy, rows, scratch.dactivated);
  ops::SwiGluGrad(device, {.gate_up = buffers.floats(kGateUp),
                           .dy = scratch.dactivated,
                           .dgate_up = scratch.dgate_up,
                           .rows = rows,
                           .cols = shape_.intermediate_size,
                           .dtype = dtype,
                           .gate = shape_.gate});
  AHA_RETURN_IF_ERROR(gate_up_.AddWeightGradient({.dy = scratch.dgate_up,
                                                  .x = buffers.at[kMlpNormed],
                                                  .rows = rows,
                                                  .dw = scratch.dw},
                                                 args.sum));
  gate_up_.InputGradient(scratch.dgate_up, rows, scratch.dnormed);
  return norm_.Backward({.x = args.input,
                         .inv_rms = buffers.floats(kMlpInvRms),
                         .dy = scratch.dnormed,
                         .dx = args.dx,
                         .dgains = scratch.dw,
                         .rows = rows},
                        args.sum);
}

}  // namespace

std::shared_ptr<const BlockSpec> MakeSwiGlu(const SwiGluShape& shape) {
  return std::make_shared<const SwiGluSpec>(shape);
}

}  // namespace aha
