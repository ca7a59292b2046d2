#include "model/blocks/sparse_feed_forward.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/blocks/norm.h"
#include "model/blocks/product.h"
#include "model/certifier.h"
#include "ops/convert.h"
#include "ops/expert_rows.h"
#include "ops/swiglu.h"

namespace aha {
namespace {

// Indices of the activations. "By pair": the row's experts side by side, the
// largest logit first. "By slot": the rows of an expert side by side
// (ops/route.h), which means nothing outside of one pass.
enum SparseActivation : size_t {
  kSparseNormed,   // [rows, hidden], dtype: what is projected
  kSparseInvRms,   // [rows]
  kLogits,         // [rows, experts]
  kChosen,         // [rows, active], int32
  kWeights,        // [rows, active]
  kPairGateUp,     // [rows * active, 2 * intermediate], by pair
  kSlots,          // [rows * active], int32, by pair
  kPairs,          // [rows * active], int32, by slot
  kSlotInput,      // [rows * active, hidden], dtype, by slot
  kSlotGateUp,     // [rows * active, 2 * intermediate], by slot
  kSlotActivated,  // [rows * active, intermediate], dtype, by slot
  kSlotOutput,     // [rows * active, hidden], by slot
  kSparseActivations,
};
static_assert(kSparseActivations <= ActivationBuffers::kMost);

// Indices of the tensors; each expert has three, its gate and up are one
// product.
enum SparseTensor : size_t { kSparseNorm, kRouter, kFirstExpert };
constexpr size_t kTensorsOfExpert = 3;

// The memory of Backward; all but the last four by slot.
struct SparseScratch {
  int32_t* slots;     // [pairs]: by pair
  int32_t* pairs;     // [pairs]
  void* dy;           // [pairs, hidden], dtype
  void* input;        // [pairs, hidden], dtype
  float* gate_up;     // [pairs, 2 * intermediate]
  void* activated;    // [pairs, intermediate], dtype
  float* dactivated;  // [pairs, intermediate]
  void* dgate_up;     // [pairs, 2 * intermediate], dtype
  float* dinput;      // [pairs, hidden]
  float* dweights;    // [rows, active]
  void* dlogits;      // [rows, experts], dtype
  float* dnormed;     // [rows, hidden]
  float* dw;          // [the largest product's numbers]
};

SparseScratch CarveSparse(const SparseFeedForwardShape& s, DType dtype,
                          int64_t rows, Carver* carver) {
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  const int64_t pairs = rows * s.active;
  const int64_t inner = s.intermediate_size;
  SparseScratch scratch{};
  scratch.slots = carver->Take<int32_t>(pairs);
  scratch.pairs = carver->Take<int32_t>(pairs);
  scratch.dy = carver->Bytes(pairs * s.hidden_size * element);
  scratch.input = carver->Bytes(pairs * s.hidden_size * element);
  scratch.gate_up = carver->Take<float>(pairs * 2 * inner);
  scratch.activated = carver->Bytes(pairs * inner * element);
  scratch.dactivated = carver->Take<float>(pairs * inner);
  scratch.dgate_up = carver->Bytes(pairs * 2 * inner * element);
  scratch.dinput = carver->Take<float>(pairs * s.hidden_size);
  scratch.dweights = carver->Take<float>(pairs);
  scratch.dlogits = carver->Bytes(rows * s.experts * element);
  scratch.dnormed = carver->Take<float>(rows * s.hidden_size);
  scratch.dw =
      carver->Take<float>(std::max(2 * inner, s.experts) * s.hidden_size);
  return scratch;
}

class SparseSpec : public BlockSpec {
 public:
  explicit SparseSpec(const SparseFeedForwardShape& shape) : shape_(shape) {}

  std::string Name() const override;
  std::vector<TensorSpec> Tensors() const override;
  int64_t IdleParameters() const override;
  std::vector<int64_t> KvPlanes(DType) const override { return {}; }
  std::vector<Activation> Activations(DType dtype) const override;
  int64_t BackwardScratchBytes(int64_t rows, DType dtype) const override;
  absl::Status Certify(Certifier* certifier) const override;
  absl::StatusOr<std::unique_ptr<Block>> Create(
      BlockEnvironment* environment, const BlockPlace& place) const override;

 private:
  const SparseFeedForwardShape shape_;
};

class SparseBlock : public Block {
 public:
  struct Expert {
    Product gate_up, down;
  };
  // The products of a block that is being made.
  struct Products {
    Product router;
    std::vector<Expert> experts;
  };
  SparseBlock(const SparseFeedForwardShape& shape,
              BlockEnvironment* environment, const BlockPlace& place,
              Products products)
      : shape_(shape),
        environment_(environment),
        norm_(environment, place.tensors[kSparseNorm], shape.norm),
        router_(std::move(products.router)),
        experts_(std::move(products.experts)),
        begins_(static_cast<size_t>(shape.experts) + 1) {
    forward_.reserve(experts_.size());
    gradient_.reserve(experts_.size());
  }

  void Load(const Parameters& parameters) override;
  void Forward(const RowBatch& batch, float* x,
               const ActivationBuffers& buffers) override;
  void Recompute(const RowBatch& batch, const float* input,
                 const ActivationBuffers& buffers) override;
  absl::Status Backward(const BackwardArgs& args) override;

 private:
  // The slots of one expert.
  int64_t Begin(size_t expert) const { return begins_[expert]; }
  int64_t Count(size_t expert) const {
    return begins_[expert + 1] - begins_[expert];
  }

  // y = x w^T of each expert's product with its slots.
  void ForwardExperts(Product Expert::*product, const void* x, float* y);
  // dx = dy w, likewise.
  void InputGradients(Product Expert::*product, const void* dy, float* dx);
  // *sum += dy^T x over the slots of each expert.
  absl::Status AddWeightGradients(Product Expert::*product, const void* dy,
                                  const void* x, float* dw, GradientSum* sum);
  void Activate(const float* gate_up, void* activated, int64_t slots) const;
  // Leaves the gradients of the experts' weights in *sum, that of the rows'
  // weights in scratch.dweights and that of the input in scratch.dinput.
  absl::Status ExpertsBackward(const BackwardArgs& args,
                               const SparseScratch& scratch);

  const SparseFeedForwardShape shape_;
  BlockEnvironment* const environment_;
  Norm norm_;
  Product router_;
  std::vector<Expert> experts_;
  // Of the current pass; they stand here to keep their memory.
  std::vector<int64_t> begins_;
  std::vector<Product::ForwardOf> forward_;
  std::vector<Product::InputGradientOf> gradient_;
};

std::string SparseSpec::Name() const {
  return absl::StrCat(
      "sparse hidden=", shape_.hidden_size,
      " intermediate=", shape_.intermediate_size, " experts=", shape_.experts,
      " active=", shape_.active,
      shape_.weights == ops::RouteWeights::kOfChosen ? " normalized" : "");
}

std::vector<TensorSpec> SparseSpec::Tensors() const {
  const int64_t hidden = shape_.hidden_size;
  const int64_t inner = shape_.intermediate_size;
  std::vector<TensorSpec> tensors = {
      {shape_.input_norm, {hidden}, shape_.norm.initial()},
      {shape_.router, {shape_.experts, hidden}, InitialValue::kNormal}};
  for (int64_t expert = 0; expert < shape_.experts; ++expert) {
    const std::string prefix = absl::StrCat(shape_.expert, expert);
    tensors.push_back(
        {prefix + shape_.gate, {inner, hidden}, InitialValue::kNormal});
    tensors.push_back(
        {prefix + shape_.up, {inner, hidden}, InitialValue::kNormal});
    tensors.push_back({prefix + shape_.down,
                       {hidden, inner},
                       InitialValue::kNormalIntoResidual});
  }
  return tensors;
}

int64_t SparseSpec::IdleParameters() const {
  return (shape_.experts - shape_.active) * 3 * shape_.hidden_size *
         shape_.intermediate_size;
}

std::vector<Activation> SparseSpec::Activations(DType dtype) const {
  using enum ActivationUse;
  constexpr int64_t kFloat = sizeof(float), kIndex = sizeof(int32_t);
  const int64_t element = static_cast<int64_t>(SizeOf(dtype));
  const int64_t active = shape_.active;
  const int64_t hidden = shape_.hidden_size;
  const int64_t inner = shape_.intermediate_size;
  std::vector<Activation> activations(kSparseActivations);
  activations[kSparseNormed] = {hidden * element, kRecomputed};
  activations[kSparseInvRms] = {kFloat, kBackward};
  activations[kLogits] = {shape_.experts * kFloat, kSaved};
  activations[kChosen] = {active * kIndex, kSaved};
  activations[kWeights] = {active * kFloat, kSaved};
  activations[kPairGateUp] = {active * 2 * inner * kFloat, kBackward};
  activations[kSlots] = {active * kIndex, kForward};
  activations[kPairs] = {active * kIndex, kForward};
  activations[kSlotInput] = {active * hidden * element, kForward};
  activations[kSlotGateUp] = {active * 2 * inner * kFloat, kForward};
  activations[kSlotActivated] = {active * inner * element, kForward};
  activations[kSlotOutput] = {active * hidden * kFloat, kForward};
  return activations;
}

int64_t SparseSpec::BackwardScratchBytes(int64_t rows, DType dtype) const {
  Carver measure(nullptr);
  CarveSparse(shape_, dtype, rows, &measure);
  return static_cast<int64_t>(measure.size());
}

absl::Status SparseSpec::Certify(Certifier* certifier) const {
  const int64_t hidden = shape_.hidden_size;
  const int64_t inner = shape_.intermediate_size;
  AHA_RETURN_IF_ERROR(certifier->CheckNorm(hidden, shape_.norm.epsilon));
  AHA_RETURN_IF_ERROR(certifier->CheckProduct(
      {.in = hidden, .out = shape_.experts, .into = ops::Into::kOverwrite}));
  AHA_RETURN_IF_ERROR(certifier->CheckExperts({.hidden = hidden,
                                               .experts = shape_.experts,
                                               .active = shape_.active,
                                               .weights = shape_.weights}));
  AHA_RETURN_IF_ERROR(certifier->CheckProduct(
      {.in = hidden, .out = 2 * inner, .into = ops::Into::kOverwrite}));
  AHA_RETURN_IF_ERROR(certifier->CheckGatedUnit(inner, ops::Gate::kSilu));
  return certifier->CheckProduct(
      {.in = inner, .out = hidden, .into = ops::Into::kOverwrite});
}

absl::StatusOr<std::unique_ptr<Block>> SparseSpec::Create(
    BlockEnvironment* environment, const BlockPlace& place) const {
  AHA_ASSIGN_OR_RETURN(
      Product router,
      Product::Create(environment, place.tensors.subspan(kRouter, 1)));
  std::vector<SparseBlock::Expert> experts;
  experts.reserve(static_cast<size_t>(shape_.experts));
  for (size_t expert = 0; expert < static_cast<size_t>(shape_.experts);
       ++expert) {
    const size_t first = kFirstExpert + expert * kTensorsOfExpert;
    AHA_ASSIGN_OR_RETURN(
        Product gate_up,
        Product::Create(environment, place.tensors.subspan(first, 2)));
    AHA_ASSIGN_OR_RETURN(
        Product down,
        Product::Create(environment, place.tensors.subspan(first + 2, 1)));
    experts.push_back({std::move(gate_up), std::move(down)});
  }
  return std::make_unique<SparseBlock>(
      shape_, environment, place,
      SparseBlock::Products{std::move(router), std::move(experts)});
}

void SparseBlock::Load(const Parameters& parameters) {
  norm_.Load(parameters);
  router_.Load(parameters);
  for (Expert& expert : experts_) {
    expert.gate_up.Load(parameters);
    expert.down.Load(parameters);
  }
}

void SparseBlock::ForwardExperts(Product Expert::*product, const void* x,
                                 float* y) {
  forward_.clear();
  for (size_t e = 0; e < experts_.size(); ++e) {
    Product& of = experts_[e].*product;
    forward_.push_back(
        {&of,
         {.x = ElementAt(x, Begin(e) * of.in(), environment_->dtype()),
          .y = y + Begin(e) * of.out(),
          .rows = Count(e)}});
  }
  Product::ForwardAll(forward_);
}

void SparseBlock::InputGradients(Product Expert::*product, const void* dy,
                                 float* dx) {
  gradient_.clear();
  for (size_t e = 0; e < experts_.size(); ++e) {
    Product& of = experts_[e].*product;
    gradient_.push_back(
        {.product = &of,
         .dy = ElementAt(dy, Begin(e) * of.out(), environment_->dtype()),
         .rows = Count(e),
         .dx = dx + Begin(e) * of.in()});
  }
  Product::InputGradientAll(gradient_);
}

absl::Status SparseBlock::AddWeightGradients(Product Expert::*product,
                                             const void* dy, const void* x,
                                             float* dw, GradientSum* sum) {
  const DType dtype = environment_->dtype();
  for (size_t e = 0; e < experts_.size(); ++e) {
    if (Count(e) == 0) continue;  // Its gradient is zero.
    Product& of = experts_[e].*product;
    AHA_RETURN_IF_ERROR(
        of.AddWeightGradient({.dy = ElementAt(dy, Begin(e) * of.out(), dtype),
                              .x = ElementAt(x, Begin(e) * of.in(), dtype),
                              .rows = Count(e),
                              .dw = dw},
                             sum));
  }
  return absl::OkStatus();
}

void SparseBlock::Activate(const float* gate_up, void* activated,
                           int64_t slots) const {
  ops::SwiGlu(environment_->context(), {.gate_up = gate_up,
                                        .y = activated,
                                        .rows = slots,
                                        .cols = shape_.intermediate_size,
                                        .dtype = environment_->dtype()});
}

void SparseBlock::Forward(const RowBatch& batch, float* x,
                          const ActivationBuffers& buffers) {
  const auto device = environment_->context();
  const int64_t rows = batch.rows(), slots = rows * shape_.active;
  auto* chosen = static_cast<int32_t*>(buffers.at[kChosen]);
  auto* slot_of = static_cast<int32_t*>(buffers.at[kSlots]);
  auto* pair_of = static_cast<int32_t*>(buffers.at[kPairs]);
  norm_.Forward(x, rows, buffers.at[kSparseNormed],
                buffers.floats(kSparseInvRms));
  router_.Forward({.x = buffers.at[kSparseNormed],
                   .y = buffers.floats(kLogits),
                   .rows = rows});
  ops::Route(device, {.logits = buffers.floats(kLogits),
                      .chosen = chosen,
                      .weights = buffers.floats(kWeights),
                      .rows = rows,
                      .experts = shape_.experts,
                      .active = shape_.active,
                      .rule = shape_.weights});
  ops::GroupByExpert(device, {.chosen = chosen,
                              .slots = slot_of,
                              .pairs = pair_of,
                              .begins = begins_.data(),
                              .rows = rows,
                              .experts = shape_.experts,
                              .active = shape_.active});
  ops::GatherRows(device, {.from = buffers.at[kSparseNormed],
                           .index = pair_of,
                           .divisor = shape_.active,
                           .to = buffers.at[kSlotInput],
                           .rows = slots,
                           .row_bytes = shape_.hidden_size *
                                        environment_->element_bytes()});
  ForwardExperts(&Expert::gate_up, buffers.at[kSlotInput],
                 buffers.floats(kSlotGateUp));
  if (buffers.at[kPairGateUp] != nullptr) {
    ops::GatherRows(device, {.from = buffers.at[kSlotGateUp],
                             .index = slot_of,
                             .divisor = 1,
                             .to = buffers.at[kPairGateUp],
                             .rows = slots,
                             .row_bytes = 2 * shape_.intermediate_size *
                                          int64_t{sizeof(float)}});
  }
  Activate(buffers.floats(kSlotGateUp), buffers.at[kSlotActivated], slots);
  ForwardExperts(&Expert::down, buffers.at[kSlotActivated],
                 buffers.floats(kSlotOutput));
  ops::CombineRows(device, {.x = buffers.floats(kSlotOutput),
                            .slots = slot_of,
                            .weights = buffers.floats(kWeights),
                            .y = x,
                            .rows = rows,
                            .active = shape_.active,
                            .cols = shape_.hidden_size});
}

void SparseBlock::Recompute(const RowBatch& batch, const float* input,
                            const ActivationBuffers& buffers) {
  norm_.Forward(input, batch.rows(), buffers.at[kSparseNormed], nullptr);
}

absl::Status SparseBlock::ExpertsBackward(const BackwardArgs& args,
                                          const SparseScratch& scratch) {
  const auto device = environment_->context();
  const DType dtype = environment_->dtype();
  const int64_t rows = args.batch.rows(), slots = rows * shape_.active;
  const int64_t inner = shape_.intermediate_size;
  const ActivationBuffers& buffers = args.buffers;
  const float* weights = buffers.floats(kWeights);
  ops::GatherRows(device, {.from = buffers.at[kPairGateUp],
                           .index = scratch.pairs,
                           .divisor = 1,
                           .to = scratch.gate_up,
                           .rows = slots,
                           .row_bytes = 2 * inner * int64_t{sizeof(float)}});
  Activate(scratch.gate_up, scratch.activated, slots);
  const auto gather_dy = [&](const float* times) {
    ops::GatherWeighted(device, {.x = args.dx,
                                 .pairs = scratch.pairs,
                                 .weights = times,
                                 .to = scratch.dy,
                                 .slots = slots,
                                 .active = shape_.active,
                                 .cols = shape_.hidden_size,
                                 .dtype = dtype});
  };
  gather_dy(nullptr);
  InputGradients(&Expert::down, scratch.dy, scratch.dactivated);
  // An expert's output was activated times down^T, so the gradient of its
  // weight is dy . output = (dy down) . activated.
  ops::WeightGrad(device, {.x = scratch.activated,
                           .pairs = scratch.pairs,
                           .weights = weights,
                           .dy = scratch.dactivated,
                           .dweights = scratch.dweights,
                           .slots = slots,
                           .cols = inner,
                           .dtype = dtype});
  gather_dy(weights);
  AHA_RETURN_IF_ERROR(AddWeightGradients(
      &Expert::down, scratch.dy, scratch.activated, scratch.dw, args.sum));
  ops::SwiGluGrad(device, {.gate_up = scratch.gate_up,
                           .dy = scratch.dactivated,
                           .dgate_up = scratch.dgate_up,
                           .rows = slots,
                           .cols = inner,
                           .dtype = dtype});
  ops::GatherRows(device, {.from = buffers.at[kSparseNormed],
                           .index = scratch.pairs,
                           .divisor = shape_.active,
                           .to = scratch.input,
                           .rows = slots,
                           .row_bytes = shape_.hidden_size *
                                        environment_->element_bytes()});
  AHA_RETURN_IF_ERROR(AddWeightGradients(&Expert::gate_up, scratch.dgate_up,
                                         scratch.input, scratch.dw, args.sum));
  InputGradients(&Expert::gate_up, scratch.dgate_up, scratch.dinput);
  return absl::OkStatus();
}

absl::Status SparseBlock::Backward(const BackwardArgs& args) {
  const auto device = environment_->context();
  const DType dtype = environment_->dtype();
  const int64_t rows = args.batch.rows();
  const ActivationBuffers& buffers = args.buffers;
  const auto* chosen = static_cast<const int32_t*>(buffers.at[kChosen]);
  Carver carver(args.scratch);
  const SparseScratch scratch = CarveSparse(shape_, dtype, rows, &carver);
  ops::GroupByExpert(device, {.chosen = chosen,
                              .slots = scratch.slots,
                              .pairs = scratch.pairs,
                              .begins = begins_.data(),
                              .rows = rows,
                              .experts = shape_.experts,
                              .active = shape_.active});
  AHA_RETURN_IF_ERROR(ExpertsBackward(args, scratch));
  ops::RouteGrad(device, {.logits = buffers.floats(kLogits),
                          .chosen = chosen,
                          .weights = buffers.floats(kWeights),
                          .dweights = scratch.dweights,
                          .dlogits = scratch.dlogits,
                          .rows = rows,
                          .experts = shape_.experts,
                          .active = shape_.active,
                          .rule = shape_.weights,
                          .dtype = dtype});
  AHA_RETURN_IF_ERROR(router_.AddWeightGradient({.dy = scratch.dlogits,
                                                 .x = buffers.at[kSparseNormed],
                                                 .rows = rows,
                                                 .dw = scratch.dw},
                                                args.sum));
  router_.InputGradient(scratch.dlogits, rows, scratch.dnormed);
  ops::CombineRows(device, {.x = scratch.dinput,
                            .slots = scratch.slots,
                            .weights = nullptr,
                            .y = scratch.dnormed,
                            .rows = rows,
                            .active = shape_.active,
                            .cols = shape_.hidden_size});
  return norm_.Backward({.x = args.input,
                         .inv_rms = buffers.floats(kSparseInvRms),
                         .dy = scratch.dnormed,
                         .dx = args.dx,
                         .dgains = scratch.dw,
                         .rows = rows},
                        args.sum);
}

}  // namespace

std::shared_ptr<const BlockSpec> MakeSparseFeedForward(
    const SparseFeedForwardShape& shape) {
  return std::make_shared<const SparseSpec>(shape);
}

}  // namespace aha
