#include "learner/model_state.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"
#include "base/status.h"
#include "device/dtype.h"
#include "job/options.h"
#include "learner/bytes.h"
#include "ops/adamw.h"
#include "ops/finite.h"
#include "ops/split_master.h"

namespace aha::learner {
namespace {

// Weights beyond this are packed layer by layer: memory matters more than time.
constexpr int64_t kLeanBytes = 64 << 20;

absl::Status CheckLength(const char* name, size_t found, int64_t count) {
  if (found == static_cast<size_t>(count)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "optimizer state ", name, " must have ", count, " numbers, has ", found));
}

// The first tensor with an infinite number or a NaN; null if there is none.
const TensorInfo* FirstNonFinite(const Parameters& weights,
                                 const ops::Context& context) {
  const DType dtype = weights.dtype();
  if (ops::AllFinite(context,
                     {weights.data(), weights.layout().count(), dtype})) {
    return nullptr;
  }
  for (const TensorInfo& tensor : weights.layout().tensors()) {
    const bool finite =
        ops::AllFinite(context, {weights.tensor(tensor), tensor.count, dtype});
    if (!finite) return &tensor;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelState>> ModelState::Create(
    const ModelConfig& config, DType dtype, const ops::Context& context) {
  AHA_RETURN_IF_ERROR(config.Validate());
  return std::unique_ptr<ModelState>(new ModelState(config, dtype, context));
}

absl::StatusOr<ModelState::Version> ModelState::NewVersion(
    const Parameters& weights) const {
  Version version;
  AHA_ASSIGN_OR_RETURN(
      version.policy,
      Policy::Create(config_, dtype_, context_,
                     weights.bytes() > kLeanBytes ? PolicyUse::kLeanTraining
                                                  : PolicyUse::kTraining));
  AHA_RETURN_IF_ERROR(version.policy->Load(weights));
  AHA_ASSIGN_OR_RETURN(version.backprop,
                       Backprop::Create(version.policy.get()));
  return version;
}

Parameters ModelState::CopyOfWeights() const {
  Parameters copy(weights_->shared_layout(), dtype_);
  std::memcpy(copy.data(), weights_->data(),
              static_cast<size_t>(weights_->bytes()));
  return copy;
}

std::vector<comm::Shard> OptimizerShards(int64_t count, int ranks) {
  return comm::EvenShards(static_cast<size_t>(count), ranks,
                          static_cast<size_t>(ops::kSquaresBlock));
}

comm::Shard SavedState::shard() const {
  return OptimizerShards(weights->layout().count(),
                         sharding.ranks)[static_cast<size_t>(sharding.rank)];
}

absl::Status SavedState::TakeMaster(int64_t begin,
                                    absl::Span<const float> master) {
  const bool is_split = weights->dtype() == DType::kBf16;
  if (is_split) low.resize(v.size());
  const size_t local = static_cast<size_t>(begin) - shard().begin;
  for (size_t i = 0; i < master.size(); ++i) {
    const int64_t at = begin + static_cast<int64_t>(i);
    const ops::SplitMaster split = ops::SplitMasterWeight(master[i]);
    const float weight = LoadElement(weights->data(), at, weights->dtype());
    if (weight != (is_split ? ToFloat(split.rounded) : master[i])) {
      return absl::DataLossError(
          absl::StrCat("optimizer state master must round to the weights, has ",
                       master[i], " for weight ", weight, " at ", at));
    }
    if (!is_split) continue;
    low[local + i] = split.low;
    float& second = v[local + i];
    if (split.tie_went_up) second = -second;
  }
  return absl::OkStatus();
}

absl::Status ModelState::Reset(Parameters weights, const Sharding& sharding) {
  SavedState saved;
  saved.sharding = sharding;
  saved.weights.emplace(std::move(weights));
  const size_t count = saved.shard().size();
  // The master equals the weights, so rounding dropped nothing.
  if (saved.weights->dtype() == DType::kBf16) saved.low.assign(count, 0);
  saved.m.assign(count, 0);
  saved.v.assign(count, 0);
  return Restore(std::move(saved));
}

absl::Status ModelState::Restore(SavedState saved) {
  if (!saved.weights || saved.weights->dtype() != dtype_) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights must exist and be of type ", NameOf(dtype_)));
  }
  const int64_t count = static_cast<int64_t>(saved.shard().size());
  AHA_RETURN_IF_ERROR(CheckLength("m", saved.m.size(), count));
  AHA_RETURN_IF_ERROR(CheckLength("v", saved.v.size(), count));
  AHA_RETURN_IF_ERROR(CheckLength("master", saved.low.size(),
                                  dtype_ == DType::kBf16 ? count : 0));
  sharding_ = saved.sharding;
  shards_ = OptimizerShards(saved.weights->layout().count(), sharding_.ranks);
  weights_ = std::move(saved.weights);
  low_ = std::move(saved.low);
  m_ = std::move(saved.m);
  v_ = std::move(saved.v);
  previous_weights_ = std::move(saved.previous);
  has_previous_ = previous_weights_.has_value();
  reference_weights_ = std::move(saved.reference);
  previous_ = {};
  reference_ = {};
  if (!sums_) {
    sums_ = std::make_unique<GradientSum>(weights_->shared_layout());
  }
  if (!current_.policy) {
    AHA_ASSIGN_OR_RETURN(current_, NewVersion(*weights_));
    return absl::OkStatus();
  }
  return current_.policy->Load(*weights_);
}

absl::Status ModelState::SetUpReference(uint64_t first_step) {
  if (!settings_.keep_reference) {
    reference_weights_.reset();
    reference_ = {};
    return absl::OkStatus();
  }
  if (first_step == 0) {
    reference_weights_.emplace(CopyOfWeights());
    reference_ = {};
  }
  if (!reference_weights_) {
    return absl::FailedPreconditionError(
        "the checkpoint lacks the stage's first policy, which beta > 0 needs");
  }
  if (!reference_.policy) {
    AHA_ASSIGN_OR_RETURN(reference_, NewVersion(*reference_weights_));
  }
  return absl::OkStatus();
}

absl::Status ModelState::BeginStage(const UpdateSettings& settings,
                                    uint64_t first_step) {
  settings_ = settings;
  AHA_ASSIGN_OR_RETURN(schedule_,
                       ScheduleOf(settings.optimizer, settings.steps));
  if (first_step == 0) {
    std::fill(m_.begin(), m_.end(), 0.0f);
    // The signs are part of the master weights (ops::AdamWArgs).
    for (float& second : v_) second = std::copysign(0.0f, second);
    has_previous_ = false;
  }
  AHA_RETURN_IF_ERROR(SetUpReference(first_step));
  if (!settings.keep_previous) {
    has_previous_ = false;
    previous_weights_.reset();
    previous_ = {};
    return absl::OkStatus();
  }
  if (first_step > 0 && !has_previous_) {
    return absl::FailedPreconditionError(
        absl::StrCat("the checkpoint lacks version ", first_step - 1,
                     ", which step ", first_step, " was sampled with"));
  }
  if (!previous_weights_) {
    previous_weights_.emplace(weights_->shared_layout(), dtype_);
  }
  if (!previous_.policy) {
    AHA_ASSIGN_OR_RETURN(previous_, NewVersion(*previous_weights_));
  }
  return absl::OkStatus();
}

StateMemory ModelState::Memory() const {
  const auto bytes = [&](size_t elements) {
    return static_cast<int64_t>(
        elements *
        (2 * sizeof(float) + (dtype_ == DType::kBf16 ? sizeof(uint16_t) : 0)));
  };
  const size_t count = static_cast<size_t>(weights_->layout().count());
  const int64_t versions =
      1 + previous_weights_.has_value() + reference_weights_.has_value();
  return {.optimizer = bytes(m_.size()),
          .optimizer_all = bytes(count),
          .gradient = static_cast<int64_t>(count * sizeof(int64_t)),
          .weights = versions * weights_->bytes()};
}

void ModelState::CopyMaster(int64_t begin, absl::Span<float> out) const {
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t at = begin + static_cast<int64_t>(i);
    const size_t index = static_cast<size_t>(at) - shard().begin;
    out[i] = low_.empty() ? LoadElement(weights_->data(), at, dtype_)
                          : ops::JoinMasterWeight(
                                {static_cast<const Bf16*>(weights_->data())[at],
                                 low_[index], std::signbit(v_[index])});
  }
}

void ModelState::CopyM(int64_t begin, absl::Span<float> out) const {
  const int64_t local = begin - static_cast<int64_t>(shard().begin);
  std::copy_n(m_.begin() + local, out.size(), out.begin());
}

void ModelState::CopyV(int64_t begin, absl::Span<float> out) const {
  const size_t local = static_cast<size_t>(begin) - shard().begin;
  for (size_t i = 0; i < out.size(); ++i) out[i] = std::fabs(v_[local + i]);
}

void ModelState::ApplyAdamW(const void* from, uint64_t step,
                            double gradient_scale, double learning_rate) {
  const v1::Optimizer& optimizer = settings_.optimizer;
  const absl::Span<const TensorInfo> tensors = weights_->layout().tensors();
  char* const weights = static_cast<char*>(weights_->data());
  const bool is_split = dtype_ == DType::kBf16;
  const int64_t size = static_cast<int64_t>(SizeOf(dtype_));
  const int64_t shard_begin = static_cast<int64_t>(shard().begin);
  const int64_t shard_end = static_cast<int64_t>(shard().end);
  if (!is_split && from != weights) {  // fp32 weights are changed in place.
    std::memcpy(weights + shard_begin * size,
                static_cast<const char*>(from) + shard_begin * size,
                static_cast<size_t>((shard_end - shard_begin) * size));
  }
  // Tensors that lie side by side and decay alike make one range.
  for (size_t first = 0; first < tensors.size();) {
    size_t last = first + 1;
    while (last < tensors.size() &&
           tensors[last].decays == tensors[first].decays &&
           tensors[last].offset ==
               tensors[last - 1].offset + tensors[last - 1].count) {
      ++last;
    }
    const int64_t begin = std::max(tensors[first].offset, shard_begin);
    const int64_t end =
        std::min(tensors[last - 1].offset + tensors[last - 1].count, shard_end);
    const int64_t local = begin - shard_begin;
    const bool decays = tensors[first].decays;
    first = last;
    if (begin >= end) continue;
    ops::AdamW(
        context_,
        {.sums = sums_->sums().data() + begin,
         .gradient_scale = gradient_scale,
         .master =
             is_split ? nullptr : reinterpret_cast<float*>(weights) + begin,
         .m = m_.data() + local,
         .v = v_.data() + local,
         .weights = weights + begin * size,
         .count = end - begin,
         .dtype = dtype_,
         .learning_rate = learning_rate,
         .beta1 = optimizer.adam_beta1(),
         .beta2 = optimizer.adam_beta2(),
         .epsilon = optimizer.adam_epsilon(),
         .weight_decay = decays ? optimizer.weight_decay() : 0,
         .t = static_cast<int64_t>(step) + 1,
         .rounded = is_split ? static_cast<const Bf16*>(from) + begin : nullptr,
         .low = is_split ? low_.data() + local : nullptr});
  }
}

absl::StatusOr<double> ModelState::SquaresOfGradient(
    comm::Communicator& comm) const {
  const int64_t begin = static_cast<int64_t>(shard().begin);
  const int64_t count = static_cast<int64_t>(shard().size());
  std::vector<double> squares(
      static_cast<size_t>(CeilDiv(count, ops::kSquaresBlock)));
  ops::BlockSumsOfSquares(context_, sums_->sums().data() + begin, count,
                          squares.data());
  std::string mine;
  AppendBytes(&mine, sums_->FirstTooLarge(begin, begin + count));
  for (const double square : squares) AppendBytes(&mine, square);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                       comm.AllGatherBytes("gradient norm", mine));
  double total = 0;
  for (absl::string_view rest : ranks) {
    int64_t too_large = 0;
    if (!TakeBytes(&rest, &too_large)) {
      return absl::InternalError("a rank's part of the gradient norm is empty");
    }
    // In order of ranks, hence of tensors: the first error is that of one rank.
    if (too_large >= 0) return sums_->TooLarge(too_large);
    for (double square; TakeBytes(&rest, &square);) total += square;
  }
  return total;
}

absl::Status ModelState::GatherWeights(comm::Communicator& comm) {
  const size_t count = static_cast<size_t>(weights_->layout().count());
  if (dtype_ == DType::kBf16) {
    return comm.AllGather(
        "weights", absl::MakeSpan(static_cast<Bf16*>(weights_->data()), count),
        shards_);
  }
  return comm.AllGather(
      "weights", absl::MakeSpan(static_cast<float*>(weights_->data()), count),
      shards_);
}

absl::StatusOr<UpdateResult> ModelState::Update(uint64_t step,
                                                double denominator,
                                                comm::Communicator& comm) {
  if (Sharding{comm.rank(), comm.size()} != sharding_) {
    return absl::InternalError(absl::StrCat(
        "optimizer state of rank ", sharding_.rank, " of ", sharding_.ranks,
        " cannot be updated as rank ", comm.rank(), " of ", comm.size()));
  }
  const double unit =
      denominator > 0 ? 1 / (GradientSum::kScale * denominator) : 0;
  AHA_RETURN_IF_ERROR(
      comm.ReduceScatterSum("gradients", sums_->sums(), shards_));
  AHA_ASSIGN_OR_RETURN(const double squares, SquaresOfGradient(comm));
  UpdateResult result;
  result.grad_norm = unit * std::sqrt(squares);
  if (!std::isfinite(result.grad_norm)) {
    return absl::InternalError(absl::StrCat(
        "step ", step, ": the gradient's norm is ", result.grad_norm));
  }
  result.learning_rate = schedule_.At(step);
  // The 1e-6 is PyTorch's clip_grad_norm_.
  const double clip = std::min(
      1.0, settings_.optimizer.max_grad_norm() / (result.grad_norm + 1e-6));
  const void* const from = weights_->data();
  if (settings_.keep_previous) {
    std::swap(current_, previous_);
    std::swap(weights_, previous_weights_);
    has_previous_ = true;
  }
  ApplyAdamW(from, step, unit * clip, result.learning_rate);
  AHA_RETURN_IF_ERROR(GatherWeights(comm));
  // Every rank checks all weights, so that all ranks return the same error.
  if (const TensorInfo* tensor = FirstNonFinite(*weights_, context_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "step ", step, ": weights must stay finite, those of ", tensor->name,
        " did not after an update with learning_rate ", result.learning_rate,
        " and a gradient's norm of ", result.grad_norm,
        "; lower the optimizer's learning_rate, or raise adam_epsilon"));
  }
  AHA_RETURN_IF_ERROR(current_.policy->Load(*weights_));
  return result;
}

}  // namespace aha::learner
