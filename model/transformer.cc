#include "model/transformer.h"

#include <malloc.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/carver.h"
#include "model/families/family.h"
#include "ops/copy.h"
#include "ops/embedding.h"

namespace aha {
namespace {

// The value that the dtype has for a number, as transformers rounds it.
float RoundedTo(DType dtype, double value) {
  char element[sizeof(float)];
  StoreElement(element, 0, static_cast<float>(value), dtype);
  return LoadElement(element, 0, dtype);
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, DType dtype,
                         const ops::Context& context, PolicyUse use)
    : config_(config),
      environment_(dtype, context, use),
      layout_(std::make_shared<ParameterLayout>(config)),
      specs_(FamilyOf(config).layers(config)),
      final_norm_(&environment_, layout_->final_norm(),
                  FamilyOf(config).final_norm_rule(config)),
      embedding_factor_(
          RoundedTo(dtype, FamilyOf(config).embedding_factor(config))) {
  for (const LayerSpec& layer : specs_) {
    for (const auto& spec : layer) {
      first_kv_planes_.push_back(static_cast<int64_t>(kv_plane_bytes_.size()));
      const std::vector<int64_t> planes = spec->KvPlanes(dtype);
      kv_plane_bytes_.insert(kv_plane_bytes_.end(), planes.begin(),
                             planes.end());
      activations_.push_back(spec->Activations(dtype));
    }
  }
}

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(
    const ModelConfig& config, DType dtype, const ops::Context& context,
    PolicyUse use) {
  AHA_RETURN_IF_ERROR(config.Validate());
  std::unique_ptr<Transformer> transformer(
      new Transformer(config, dtype, context, use));
  // For kSampling, Load makes the layers, one by one.
  if (use == PolicyUse::kSampling) return transformer;
  for (int64_t layer = 0; layer < transformer->layers(); ++layer) {
    AHA_RETURN_IF_ERROR(transformer->CreateLayer(layer));
  }
  AHA_RETURN_IF_ERROR(transformer->CreateHead());
  return transformer;
}

absl::Status Transformer::CreateLayer(int64_t layer) {
  LayerBlocks blocks;
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    const size_t number = static_cast<size_t>(layer) * kBlocksPerLayer + i;
    AHA_ASSIGN_OR_RETURN(
        blocks[i],
        spec(layer, i).Create(&environment_,
                              {.tensors = layout_->block(layer, i),
                               .first_kv_plane = first_kv_planes_[number]}));
  }
  blocks_.push_back(std::move(blocks));
  return absl::OkStatus();
}

absl::Status Transformer::CreateHead() {
  const int64_t hidden = config_.hidden_size;
  AHA_ASSIGN_OR_RETURN(
      head_,
      ops::PackedHead::Create(context(), config_.vocab_size, hidden, dtype()));
  if (environment_.lean()) return absl::OkStatus();
  const size_t table =
      static_cast<size_t>(config_.vocab_size * hidden * element_bytes());
  embedding_.reset(AllocateZeroed(table));
  if (!config_.tie_word_embeddings && can_train()) {
    untied_head_.reset(AllocateZeroed(table));
  }
  return absl::OkStatus();  // All zero: so is a packed matrix at first.
}

absl::Status Transformer::CheckLayout(const Parameters& parameters) const {
  if (parameters.dtype() != dtype()) {
    return absl::InvalidArgumentError(
        absl::StrCat("weights: dtype must be the policy's ", NameOf(dtype()),
                     ", found ", NameOf(parameters.dtype())));
  }
  const bool same = std::ranges::equal(
      layout_->tensors(), parameters.layout().tensors(),
      [](const TensorInfo& ours, const TensorInfo& theirs) {
        return ours.name == theirs.name && ours.shape == theirs.shape;
      });
  if (same) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "weights: layout must be that of the policy's config, found another");
}

absl::Status Transformer::Load(const Parameters& parameters,
                               const Policy::Used& used) {
  AHA_RETURN_IF_ERROR(CheckLayout(parameters));
  if (environment_.lean()) lent_ = parameters.data();
  for (int64_t layer = 0; layer < layers(); ++layer) {
    if (static_cast<int64_t>(blocks_.size()) == layer) {
      AHA_RETURN_IF_ERROR(CreateLayer(layer));
    }
    for (size_t i = 0; i < kBlocksPerLayer; ++i) {
      block(layer, i).Load(parameters);
    }
    if (!used) continue;
    const TensorInfo& first = layout_->block(layer, 0).front();
    const TensorInfo& last = layout_->block(layer, kBlocksPerLayer - 1).back();
    used(parameters.tensor(first),
         (last.offset + last.count - first.offset) * element_bytes());
  }
  if (!head_) AHA_RETURN_IF_ERROR(CreateHead());
  LoadHead(parameters);
  return absl::OkStatus();
}

void Transformer::LoadHead(const Parameters& parameters) {
  final_norm_.Load(parameters);
  const TensorInfo& table = layout_->embedding();
  const TensorInfo& head = layout_->head();
  const size_t bytes = static_cast<size_t>(table.count * element_bytes());
  if (embedding_) {
    std::memcpy(embedding_.get(), parameters.tensor(table), bytes);
  }
  head_->Pack(context(), parameters.tensor(head));
  if (untied_head_) {
    std::memcpy(untied_head_.get(), parameters.tensor(head), bytes);
  }
}

void Transformer::Unload() {
  blocks_.clear();
  head_.reset();
  embedding_.reset();
  ::malloc_trim(0);  // Matrices are many pieces of the heap.
}

const void* Transformer::embedding() const {
  return embedding_ ? embedding_.get() : Lent(layout_->embedding());
}

const void* Transformer::head_weights() const {
  if (config_.tie_word_embeddings) return embedding();
  return untied_head_ ? untied_head_.get() : Lent(layout_->head());
}

void Transformer::Embed(const RowBatch& batch, float* x) {
  ops::Embedding(context(), {.table = embedding(),
                             .tokens = batch.tokens.data(),
                             .y = x,
                             .rows = batch.rows(),
                             .cols = config_.hidden_size,
                             .dtype = dtype(),
                             .factor = embedding_factor_});
}

void Transformer::Copy(const float* from, int64_t count, float* to) {
  const ops::CopyArgs copy = {
      .from = from,
      .to = to,
      .bytes = count * static_cast<int64_t>(sizeof(*from))};
  ops::Copy(context(), {&copy, 1});
}

void Transformer::Forward(const RowBatch& batch) {
  const int64_t rows = batch.rows();
  using enum ActivationUse;
  // One block runs at a time, so all begin at the same place.
  const auto carve_block = [&](size_t number, Carver* carver) {
    ActivationBuffers buffers;
    CarveActivations(activations_[number], {kForward, kSaved, kRecomputed},
                     rows, carver, &buffers);
    return buffers;
  };
  Carver measure(nullptr);
  measure.Take<float>(rows * config_.hidden_size);
  const Carver after_x = measure;
  for (size_t number = 0; number < activations_.size(); ++number) {
    Carver block = after_x;
    carve_block(number, &block);
    measure.AdvanceTo(block);
  }
  Carver carver(scratch_.Bytes(measure.size()));
  x_ = carver.Take<float>(rows * config_.hidden_size);
  Embed(batch, x_);
  for (int64_t layer = 0; layer < layers(); ++layer) {
    for (size_t i = 0; i < kBlocksPerLayer; ++i) {
      Carver from_here = carver;
      block(layer, i).Forward(
          batch, x_,
          carve_block(static_cast<size_t>(layer) * kBlocksPerLayer + i,
                      &from_here));
    }
  }
}

}  // namespace aha
