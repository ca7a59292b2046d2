#include "model/backprop.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/carver.h"
#include "model/kv_cache.h"
#include "model/layer_tape.h"
#include "model/training_batch.h"
#include "model/transformer.h"
#include "ops/embedding.h"
#include "ops/head.h"

namespace aha {
namespace {

// LogProbs takes about this many rows in a pass.
constexpr int64_t kScoreRows = 2048;

absl::Status CheckTemperature(float temperature) {
  if (temperature >= 0 && std::isfinite(temperature)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "temperature must be finite and at least 0, found ", temperature));
}

// Returns an error that names the sequence and the position of a score that is
// not finite.
absl::Status CheckFinite(absl::Span<const TrainSequence> sequences,
                         const float* logprobs) {
  int64_t at = 0;
  for (size_t s = 0; s < sequences.size(); ++s) {
    const int64_t size = static_cast<int64_t>(sequences[s].tokens.size());
    for (int64_t p = sequences[s].prompt_length; p < size; ++p, ++at) {
      if (std::isfinite(logprobs[at])) continue;
      return absl::InternalError(absl::StrCat(
          "sequence ", s, ": log-probabilities must be finite, found ",
          logprobs[at], " at position ", p));
    }
  }
  return absl::OkStatus();
}

// The gradient of the token table, and of the head if it has a table of its
// own. Neither gradient is ever whole in memory: the head's comes in tiles.
//
// An entry of a tied table is the head's part plus the embeddings', rounded
// into the sum once; but only the tokens of the batch have both parts, so only
// their rows wait here.
class TableGradient {
 public:
  // `layout` must outlive what follows.
  void Begin(const ParameterLayout& layout, absl::Span<const int32_t> tokens);
  // The head's rows [first, first + count).
  absl::Status AddHead(int64_t first, int64_t count, float* dw,
                       const ops::Context& context, GradientSum* sum);
  // REQUIRES: AddHead of every row.
  absl::Status AddEmbeddings(Transformer& transformer, const float* dx,
                             GradientSum* sum);

 private:
  struct Rows {
    int64_t first, count;
    const float* values;
  };
  absl::Status AddRows(const TensorInfo& table, const Rows& rows,
                       const ops::Context& context, GradientSum* sum);

  const ParameterLayout* layout_ = nullptr;
  bool tied_ = false;
  int64_t hidden_ = 0;
  std::vector<int32_t> distinct_;  // The batch's tokens, ascending.
  std::vector<int32_t> places_;    // Each row's index in distinct_.
  std::vector<float> rows_;        // [distinct_.size(), hidden_]
};

void TableGradient::Begin(const ParameterLayout& layout,
                          absl::Span<const int32_t> tokens) {
  layout_ = &layout;
  tied_ = &layout.head() == &layout.embedding();
  hidden_ = layout.embedding().shape[1];
  distinct_.assign(tokens.begin(), tokens.end());
  std::sort(distinct_.begin(), distinct_.end());
  distinct_.erase(std::unique(distinct_.begin(), distinct_.end()),
                  distinct_.end());
  places_.clear();
  for (const int32_t token : tokens) {
    places_.push_back(static_cast<int32_t>(
        std::lower_bound(distinct_.begin(), distinct_.end(), token) -
        distinct_.begin()));
  }
  rows_.assign(distinct_.size() * static_cast<size_t>(hidden_), 0);
}

absl::Status TableGradient::AddHead(int64_t first, int64_t count, float* dw,
                                    const ops::Context& context,
                                    GradientSum* sum) {
  const Rows rows{.first = first, .count = count, .values = dw};
  if (!tied_) return AddRows(layout_->head(), rows, context, sum);
  const auto begin =
      std::lower_bound(distinct_.begin(), distinct_.end(), first);
  const auto end = std::lower_bound(begin, distinct_.end(), first + count);
  for (auto token = begin; token != end; ++token) {
    float* row = dw + (*token - first) * hidden_;
    std::copy_n(row, hidden_,
                rows_.data() + (token - distinct_.begin()) * hidden_);
    std::fill_n(row, hidden_, 0.0f);
  }
  return AddRows(layout_->embedding(), rows, context, sum);
}

absl::Status TableGradient::AddEmbeddings(Transformer& transformer,
                                          const float* dx, GradientSum* sum) {
  ops::EmbeddingGrad(transformer.context(),
                     {.tokens = places_.data(),
                      .dy = dx,
                      .dtable = rows_.data(),
                      .rows = static_cast<int64_t>(places_.size()),
                      .cols = hidden_,
                      .factor = transformer.embedding_factor()});
  for (size_t i = 0; i < distinct_.size(); ++i) {
    const Rows row{.first = distinct_[i],
                   .count = 1,
                   .values = rows_.data() + static_cast<int64_t>(i) * hidden_};
    AHA_RETURN_IF_ERROR(
        AddRows(layout_->embedding(), row, transformer.context(), sum));
  }
  return absl::OkStatus();
}

absl::Status TableGradient::AddRows(const TensorInfo& table, const Rows& rows,
                                    const ops::Context& context,
                                    GradientSum* sum) {
  TensorInfo part = table;
  part.offset += rows.first * hidden_;
  part.count = rows.count * hidden_;
  return sum->Add(part, rows.values, context);
}

}  // namespace

struct Backprop::Impl {
  explicit Impl(Policy* policy)
      : transformer(policy->transformer()), tape(&policy->transformer()) {}

  // What the head reads of the target rows, and what it says.
  struct Scores {
    float* x;            // [targets, hidden]: the residual stream
    void* norm;          // [targets, hidden], dtype
    float* inv_rms;      // [targets]
    float* logprobs;     // [targets]
    float* entropies;    // [targets]
    float* log_sum_exp;  // [targets]
    float* dlogprob;     // [targets]
    float* dnorm;        // [targets, hidden]
    float* dx;           // [targets, hidden]
  };

  absl::Status ReserveCache(const TrainingBatch& batch);
  // x: the residual stream of the distinct rows.
  void Score(const TrainingBatch& batch, const float* x, float temperature);
  // Drops from the tape and the scores what has no gradient.
  LivePart KeepLive(const TrainingBatch& batch);
  absl::Status HeadBackward(const TrainingBatch& batch, float temperature,
                            float* dx, GradientSum* sum);

  Transformer& transformer;
  LayerTape tape;
  std::unique_ptr<KvCache> cache;
  Scores scores{};
  Buffer scores_arena;
  Buffer dx_arena;
  Buffer tile_arena;
  TableGradient table;
};

absl::Status Backprop::Impl::ReserveCache(const TrainingBatch& batch) {
  const int64_t blocks = static_cast<int64_t>(batch.blocks.size());
  if (cache != nullptr && cache->blocks() >= blocks) return absl::OkStatus();
  AHA_ASSIGN_OR_RETURN(KvCache grown,
                       KvCache::Create(transformer.kv_plane_bytes(), blocks));
  cache = std::make_unique<KvCache>(std::move(grown));
  return absl::OkStatus();
}

void Backprop::Impl::Score(const TrainingBatch& batch, const float* x,
                           float temperature) {
  const int64_t hidden = transformer.config().hidden_size;
  const int64_t targets = batch.num_targets();
  const auto carve = [&](Carver carver) {
    scores.x = carver.Take<float>(targets * hidden);
    scores.norm = carver.Bytes(targets * hidden * transformer.element_bytes());
    scores.inv_rms = carver.Take<float>(targets);
    scores.logprobs = carver.Take<float>(targets);
    scores.entropies = carver.Take<float>(targets);
    scores.log_sum_exp = carver.Take<float>(targets);
    scores.dlogprob = carver.Take<float>(targets);
    scores.dnorm = carver.Take<float>(targets * hidden);
    scores.dx = carver.Take<float>(targets * hidden);
    return carver.size();
  };
  carve(Carver(scores_arena.Bytes(carve(Carver(nullptr)))));
  for (int64_t t = 0; t < targets; ++t) {
    const int64_t row = batch.target_rows[static_cast<size_t>(t)];
    std::memcpy(scores.x + t * hidden,
                x + batch.distinct.of[static_cast<size_t>(row)] * hidden,
                static_cast<size_t>(hidden) * sizeof(*x));
  }
  transformer.final_norm().Forward(scores.x, targets, scores.norm,
                                   scores.inv_rms);
  ops::HeadScore(transformer.context(), {.x = scores.norm,
                                         .head = &transformer.head(),
                                         .rows = targets,
                                         .tokens = batch.targets.data(),
                                         .temperature = temperature,
                                         .logprobs = scores.logprobs,
                                         .entropies = scores.entropies,
                                         .log_sum_exp = scores.log_sum_exp});
}

LivePart Backprop::Impl::KeepLive(const TrainingBatch& batch) {
  const int64_t hidden = transformer.config().hidden_size;
  LivePart live = SelectLive(batch, {scores.dlogprob, batch.targets.size()});
  if (live.batch.rows() == batch.rows()) return live;
  tape.KeepRows(live.distinct);
  MoveRows(live.targets, hidden * 4, scores.x);
  MoveRows(live.targets, hidden * transformer.element_bytes(), scores.norm);
  for (float* values : {scores.inv_rms, scores.log_sum_exp, scores.dlogprob}) {
    MoveRows(live.targets, 4, values);
  }
  return live;
}

absl::Status Backprop::Impl::HeadBackward(const TrainingBatch& batch,
                                          float temperature, float* dx,
                                          GradientSum* sum) {
  const int64_t hidden = transformer.config().hidden_size;
  const int64_t targets = batch.num_targets();
  float* tile = tile_arena.Get<float>(ops::kHeadTile * hidden);
  table.Begin(transformer.layout(), batch.tokens);
  absl::Status added;
  ops::HeadGrad(transformer.context(),
                {.x = scores.norm,
                 .head = &transformer.head(),
                 .w = transformer.head_weights(),
                 .rows = targets,
                 .tokens = batch.targets.data(),
                 .temperature = temperature,
                 .log_sum_exp = scores.log_sum_exp,
                 .dlogprob = scores.dlogprob,
                 .dx = scores.dnorm,
                 .dw = tile,
                 .take_tile = [&](int64_t first, int64_t rows) {
                   added.Update(table.AddHead(first, rows, tile,
                                              transformer.context(), sum));
                 }});
  AHA_RETURN_IF_ERROR(added);
  std::fill_n(scores.dx, targets * hidden, 0.0f);
  // The tiles of the head are done, so their memory is free.
  AHA_RETURN_IF_ERROR(
      transformer.final_norm().Backward({.x = scores.x,
                                         .inv_rms = scores.inv_rms,
                                         .dy = scores.dnorm,
                                         .dx = scores.dx,
                                         .dgains = tile,
                                         .rows = targets},
                                        sum));
  std::fill_n(dx, batch.rows() * hidden, 0.0f);
  for (int64_t t = 0; t < targets; ++t) {
    std::memcpy(dx + batch.target_rows[static_cast<size_t>(t)] * hidden,
                scores.dx + t * hidden,
                static_cast<size_t>(hidden) * sizeof(*dx));
  }
  return absl::OkStatus();
}

Backprop::Backprop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Backprop::~Backprop() = default;

absl::StatusOr<std::unique_ptr<Backprop>> Backprop::Create(Policy* policy) {
  return std::unique_ptr<Backprop>(
      new Backprop(std::make_unique<Impl>(policy)));
}

absl::Status Backprop::Accumulate(absl::Span<const TrainSequence> sequences,
                                  float temperature, const LossFunction& loss,
                                  GradientSum* sum) {
  Impl& impl = *impl_;
  Transformer& transformer = impl.transformer;
  if (!transformer.can_train()) {
    return absl::FailedPreconditionError(
        "policy: must be of PolicyUse::kTraining to differentiate, found "
        "kSampling");
  }
  AHA_RETURN_IF_ERROR(CheckTemperature(temperature));
  AHA_RETURN_IF_ERROR(CheckSequences(sequences, transformer.config()));
  if (sum->layout().count() != transformer.layout().count()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sum: must have the policy's ", transformer.layout().count(),
        " parameters, found ", sum->layout().count()));
  }
  const TrainingBatch batch = MakeTrainingBatch(sequences);
  if (batch.rows() == 0) return absl::OkStatus();
  AHA_RETURN_IF_ERROR(impl.ReserveCache(batch));
  impl.Score(batch, impl.tape.Forward(batch, impl.cache.get()), temperature);
  AHA_RETURN_IF_ERROR(CheckFinite(sequences, impl.scores.logprobs));

  const size_t targets = batch.targets.size();
  const auto dlogprob = absl::MakeSpan(impl.scores.dlogprob, targets);
  std::fill(dlogprob.begin(), dlogprob.end(), 0.0f);
  AHA_RETURN_IF_ERROR(
      loss({.logprobs = absl::MakeConstSpan(impl.scores.logprobs, targets),
            .entropies = absl::MakeConstSpan(impl.scores.entropies, targets)},
           dlogprob));
  const auto bad = std::find_if(dlogprob.begin(), dlogprob.end(),
                                [](float d) { return !std::isfinite(d); });
  if (bad != dlogprob.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("loss: derivatives must be finite, found ", *bad,
                     " for target ", bad - dlogprob.begin()));
  }
  const LivePart live = impl.KeepLive(batch);
  if (live.batch.rows() == 0) return absl::OkStatus();
  float* dx = impl.dx_arena.Get<float>(live.batch.rows() *
                                       transformer.config().hidden_size);
  AHA_RETURN_IF_ERROR(impl.HeadBackward(live.batch, temperature, dx, sum));
  AHA_RETURN_IF_ERROR(
      impl.tape.Backward(live.batch, impl.cache.get(), dx, sum));
  return impl.table.AddEmbeddings(transformer, dx, sum);
}

absl::StatusOr<std::vector<float>> Backprop::LogProbs(
    absl::Span<const TrainSequence> sequences, float temperature) {
  Impl& impl = *impl_;
  AHA_RETURN_IF_ERROR(CheckTemperature(temperature));
  AHA_RETURN_IF_ERROR(CheckSequences(sequences, impl.transformer.config()));
  std::vector<float> logprobs;
  for (size_t begin = 0; begin < sequences.size();) {
    size_t count = 0;
    for (int64_t rows = 0;
         begin + count < sequences.size() && rows < kScoreRows; ++count) {
      rows += static_cast<int64_t>(sequences[begin + count].tokens.size());
    }
    const auto part = sequences.subspan(begin, count);
    begin += count;
    const TrainingBatch batch = MakeTrainingBatch(part);
    if (batch.rows() == 0) continue;
    AHA_RETURN_IF_ERROR(impl.ReserveCache(batch));
    impl.transformer.Forward(DistinctRows(batch, impl.cache.get()));
    impl.Score(batch, impl.transformer.x(), temperature);
    logprobs.insert(logprobs.end(), impl.scores.logprobs,
                    impl.scores.logprobs + batch.targets.size());
  }
  AHA_RETURN_IF_ERROR(CheckFinite(sequences, logprobs.data()));
  return logprobs;
}

}  // namespace aha
