#include "learner/model_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ops/adamw.h"

namespace aha::learner {
namespace {

// Elementwise work is dealt to the threads in pieces of this many.
constexpr int64_t kPiece = 1 << 16;

// Weights beyond this are packed layer by layer: memory matters more than time.
constexpr int64_t kLeanBytes = 64 << 20;

void ToMaster(const Parameters& weights, ThreadPool& pool,
              std::vector<float>& master) {
  const int64_t count = weights.layout().count();
  master.resize(static_cast<size_t>(count));
  const void* from = weights.data();
  const bool wide = weights.dtype() == DType::kF32;
  pool.For((count + kPiece - 1) / kPiece, [&](int64_t piece) {
    const int64_t end = std::min(count, (piece + 1) * kPiece);
    for (int64_t i = piece * kPiece; i < end; ++i) {
      master[static_cast<size_t>(i)] =
          wide ? static_cast<const float*>(from)[i]
               : ToFloat(static_cast<const Bf16*>(from)[i]);
    }
  });
}

absl::Status CheckLength(const char* name, size_t found, int64_t count) {
  if (found == static_cast<size_t>(count)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "optimizer state ", name, " must have ", count, " numbers, has ", found));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelState>> ModelState::Create(
    const ModelConfig& config, DType dtype, ThreadPool* pool) {
  AHA_RETURN_IF_ERROR(config.Validate());
  return std::unique_ptr<ModelState>(new ModelState(config, dtype, pool));
}

absl::StatusOr<ModelState::Version> ModelState::NewVersion(
    const Parameters& weights) const {
  Version version;
  AHA_ASSIGN_OR_RETURN(
      version.policy,
      Policy::Create(config_, dtype_, &pool_,
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

absl::Status ModelState::Reset(Parameters weights) {
  SavedState saved;
  ToMaster(weights, pool_, saved.master);
  const size_t count = saved.master.size();
  saved.weights.emplace(std::move(weights));
  saved.m.assign(count, 0);
  saved.v.assign(count, 0);
  return Restore(std::move(saved));
}

absl::Status ModelState::Restore(SavedState saved) {
  if (!saved.weights || saved.weights->dtype() != dtype_) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights must be there and of type ", NameOf(dtype_)));
  }
  const int64_t count = saved.weights->layout().count();
  AHA_RETURN_IF_ERROR(CheckLength("master", saved.master.size(), count));
  AHA_RETURN_IF_ERROR(CheckLength("m", saved.m.size(), count));
  AHA_RETURN_IF_ERROR(CheckLength("v", saved.v.size(), count));
  weights_ = std::move(saved.weights);
  master_ = std::move(saved.master);
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
  const v1::Optimizer& optimizer = settings.optimizer;
  AHA_ASSIGN_OR_RETURN(schedule_.type, LearningRateSchedule::ParseType(
                                           optimizer.lr_scheduler_type()));
  schedule_.peak = optimizer.learning_rate();
  schedule_.min_ratio = optimizer.min_lr_ratio();
  schedule_.warmup_steps = static_cast<uint64_t>(optimizer.warmup_steps());
  schedule_.total_steps = settings.steps;
  AHA_RETURN_IF_ERROR(schedule_.Validate());
  if (first_step == 0) {
    std::fill(m_.begin(), m_.end(), 0.0f);
    std::fill(v_.begin(), v_.end(), 0.0f);
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

void ModelState::ApplyAdamW(uint64_t step, double gradient_scale,
                            double learning_rate) {
  const v1::Optimizer& optimizer = settings_.optimizer;
  const absl::Span<const TensorInfo> tensors = weights_->layout().tensors();
  char* weights = static_cast<char*>(weights_->data());
  // Tensors that lie side by side and decay alike make one range.
  for (size_t first = 0; first < tensors.size();) {
    size_t last = first + 1;
    while (last < tensors.size() &&
           tensors[last].decays == tensors[first].decays &&
           tensors[last].offset ==
               tensors[last - 1].offset + tensors[last - 1].count) {
      ++last;
    }
    const int64_t begin = tensors[first].offset;
    const int64_t end = tensors[last - 1].offset + tensors[last - 1].count;
    ops::AdamW(
        ops::CpuContext{&pool_},
        {.sums = sums_->sums().data() + begin,
         .gradient_scale = gradient_scale,
         .master = master_.data() + begin,
         .m = m_.data() + begin,
         .v = v_.data() + begin,
         .weights = weights + begin * static_cast<int64_t>(SizeOf(dtype_)),
         .count = end - begin,
         .dtype = dtype_,
         .learning_rate = learning_rate,
         .beta1 = optimizer.adam_beta1(),
         .beta2 = optimizer.adam_beta2(),
         .epsilon = optimizer.adam_epsilon(),
         .weight_decay = tensors[first].decays ? optimizer.weight_decay() : 0,
         .t = static_cast<int64_t>(step) + 1});
    first = last;
  }
}

absl::StatusOr<UpdateResult> ModelState::Update(uint64_t step,
                                                double denominator) {
  const double unit =
      denominator > 0 ? 1 / (GradientSum::kScale * denominator) : 0;
  const absl::Span<const int64_t> sums = sums_->sums();
  UpdateResult result;
  result.grad_norm =
      unit * std::sqrt(ops::SumOfSquares(ops::CpuContext{&pool_}, sums.data(),
                                         static_cast<int64_t>(sums.size())));
  if (!std::isfinite(result.grad_norm)) {
    return absl::InternalError(absl::StrCat(
        "step ", step, ": the gradient's norm is ", result.grad_norm));
  }
  result.learning_rate = schedule_.At(step);
  // The 1e-6 is PyTorch's clip_grad_norm_.
  const double clip = std::min(
      1.0, settings_.optimizer.max_grad_norm() / (result.grad_norm + 1e-6));
  if (settings_.keep_previous) {
    std::swap(current_, previous_);
    std::swap(weights_, previous_weights_);
    has_previous_ = true;
  }
  ApplyAdamW(step, unit * clip, result.learning_rate);
  AHA_RETURN_IF_ERROR(current_.policy->Load(*weights_));
  return result;
}

}  // namespace aha::learner
