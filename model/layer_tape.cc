#include "model/layer_tape.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "model/carver.h"

namespace aha {

using enum ActivationUse;

LayerTape::LayerTape(Transformer* transformer, int64_t max_kept_bytes)
    : transformer_(*transformer), max_kept_bytes_(max_kept_bytes) {
  for (int64_t layer = 0; layer < transformer->layers(); ++layer) {
    for (size_t i = 0; i < kBlocksPerLayer; ++i) {
      activations_.push_back(
          transformer->spec(layer, i).Activations(transformer->dtype()));
    }
  }
}

const std::vector<Activation>& LayerTape::activations(int64_t layer,
                                                      size_t block) const {
  return activations_[static_cast<size_t>(layer) * kBlocksPerLayer + block];
}

void LayerTape::CarveKept(int64_t layer, int64_t rows, Carver* carver,
                          KeptLayer* kept) const {
  const int64_t hidden = transformer_.config().hidden_size;
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    if (i > 0) (*kept)[i].input = carver->Take<float>(rows * hidden);
    CarveActivations(activations(layer, i), {kSaved, kBackward}, rows, carver,
                     &(*kept)[i].buffers);
  }
}

void LayerTape::CarvePassing(int64_t layer, int64_t rows, Carver* carver,
                             KeptLayer* kept) const {
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    CarveActivations(activations(layer, i), {kForward, kRecomputed}, rows,
                     carver, &(*kept)[i].buffers);
  }
}

void LayerTape::Carve(int64_t rows) {
  const int64_t hidden = transformer_.config().hidden_size;
  const int64_t layers = transformer_.layers();
  Carver measure(nullptr);
  KeptLayer unused;
  for (int64_t layer = 0; layer < layers; ++layer) {
    CarveKept(layer, rows, &measure, &unused);
  }
  keep_all_ = static_cast<int64_t>(measure.size()) <= max_kept_bytes_;
  kept_.resize(static_cast<size_t>(layers));
  const auto carve = [&](Carver carver) {
    x_ = carver.Take<float>(rows * hidden);
    for (KeptLayer& kept : kept_) {
      kept.front().input = carver.Take<float>(rows * hidden);
    }
    // What layers share begins at the same place for each.
    const Carver shared = carver;
    for (int64_t layer = 0; layer < layers; ++layer) {
      Carver passing = shared;
      KeptLayer* kept = &kept_[static_cast<size_t>(layer)];
      CarvePassing(layer, rows, &passing, kept);
      if (!keep_all_) CarveKept(layer, rows, &passing, kept);
      carver.AdvanceTo(passing);
    }
    for (int64_t layer = 0; keep_all_ && layer < layers; ++layer) {
      CarveKept(layer, rows, &carver, &kept_[static_cast<size_t>(layer)]);
    }
    return carver.size();
  };
  carve(Carver(arena_.Bytes(carve(Carver(nullptr)))));
}

void LayerTape::CarveBackward(const TrainingBatch& batch) {
  const int64_t rows = batch.rows();
  const int64_t hidden = transformer_.config().hidden_size;
  int64_t scratch_bytes = 0;
  for (int64_t layer = 0; layer < transformer_.layers(); ++layer) {
    for (size_t i = 0; i < kBlocksPerLayer; ++i) {
      scratch_bytes = std::max(scratch_bytes,
                               transformer_.spec(layer, i).BackwardScratchBytes(
                                   rows, transformer_.dtype()));
    }
  }
  const auto carve = [&](Carver carver) {
    scratch_ = carver.Bytes(scratch_bytes);
    if (batch.distinct_rows() == rows) return carver.size();
    all_.front().input = carver.Take<float>(rows * hidden);
    all_begin_ = carver;
    for (int64_t layer = 0; layer < transformer_.layers(); ++layer) {
      Carver of_layer = all_begin_;
      CarveAll(layer, rows, &of_layer);
      carver.AdvanceTo(of_layer);
    }
    return carver.size();
  };
  carve(Carver(backward_arena_.Bytes(carve(Carver(nullptr)))));
}

void LayerTape::CarveAll(int64_t layer, int64_t rows, Carver* carver) {
  CarveKept(layer, rows, carver, &all_);
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    CarveActivations(activations(layer, i), {kRecomputed}, rows, carver,
                     &all_[i].buffers);
  }
}

void LayerTape::RunLayer(int64_t layer, const RowBatch& rows,
                         const KeptLayer& kept) {
  const int64_t hidden = transformer_.config().hidden_size;
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    if (i > 0) transformer_.Copy(x_, rows.rows() * hidden, kept[i].input);
    transformer_.block(layer, i).Forward(rows, x_, kept[i].buffers);
  }
}

float* LayerTape::Forward(const TrainingBatch& batch, KvCache* cache) {
  const int64_t hidden = transformer_.config().hidden_size;
  const RowBatch rows = DistinctRows(batch, cache);
  Carve(rows.rows());
  transformer_.Embed(rows, x_);
  for (int64_t layer = 0; layer < transformer_.layers(); ++layer) {
    const KeptLayer& kept = kept_[static_cast<size_t>(layer)];
    transformer_.Copy(x_, rows.rows() * hidden, kept.front().input);
    RunLayer(layer, rows, kept);
  }
  return x_;
}

void LayerTape::KeepRows(absl::Span<const RowMove> moves) {
  const int64_t hidden_bytes =
      transformer_.config().hidden_size * static_cast<int64_t>(sizeof(float));
  for (int64_t layer = 0; layer < transformer_.layers(); ++layer) {
    const KeptLayer& kept = kept_[static_cast<size_t>(layer)];
    for (size_t i = 0; i < kBlocksPerLayer; ++i) {
      if (i > 0 && !keep_all_) break;  // The rest is computed again.
      MoveRows(moves, hidden_bytes, kept[i].input);
      if (!keep_all_) break;
      const std::vector<Activation>& list = activations(layer, i);
      for (size_t a = 0; a < list.size(); ++a) {
        if (list[a].use != kSaved && list[a].use != kBackward) continue;
        MoveRows(moves, list[a].row_bytes, kept[i].buffers.at[a]);
      }
    }
  }
}

const LayerTape::KeptLayer& LayerTape::Restore(int64_t layer,
                                               const RowBatch& distinct) {
  const KeptLayer& kept = kept_[static_cast<size_t>(layer)];
  if (!keep_all_) {
    transformer_.Copy(kept.front().input,
                      distinct.rows() * transformer_.config().hidden_size, x_);
    RunLayer(layer, distinct, kept);
    return kept;
  }
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    transformer_.block(layer, i).Recompute(distinct, kept[i].input,
                                           kept[i].buffers);
  }
  return kept;
}

void LayerTape::CopyToAll(int64_t layer, const TrainingBatch& batch,
                          absl::Span<const RowMove> copies,
                          const KeptLayer& kept) {
  Carver carver = all_begin_;
  CarveAll(layer, batch.rows(), &carver);
  const int64_t hidden_bytes =
      transformer_.config().hidden_size * static_cast<int64_t>(sizeof(float));
  row_copies_.clear();
  for (size_t i = 0; i < kBlocksPerLayer; ++i) {
    row_copies_.push_back({kept[i].input, all_[i].input, hidden_bytes});
    const std::vector<Activation>& list = activations(layer, i);
    for (size_t a = 0; a < list.size(); ++a) {
      if (list[a].use == kForward) continue;
      row_copies_.push_back(
          {kept[i].buffers.at[a], all_[i].buffers.at[a], list[a].row_bytes});
    }
  }
  ops_copies_.clear();
  for (const RowMove& move : copies) {
    for (const RowCopy& rows : row_copies_) {
      ops_copies_.push_back(
          {.from =
               static_cast<const char*>(rows.from) + move.from * rows.row_bytes,
           .to = static_cast<char*>(rows.to) + move.to * rows.row_bytes,
           .bytes = move.count * rows.row_bytes});
    }
  }
  ops::Copy(transformer_.context(), ops_copies_);
}

absl::Status LayerTape::Backward(const TrainingBatch& batch, KvCache* cache,
                                 float* dx, GradientSum* sum) {
  CarveBackward(batch);
  const RowBatch distinct = DistinctRows(batch, cache);
  const RowBatch all = AllRows(batch, cache);
  const bool shared = distinct.rows() < all.rows();
  const std::vector<RowMove> copies =
      shared ? CopiesOf(batch) : std::vector<RowMove>();
  for (int64_t layer = transformer_.layers() - 1; layer >= 0; --layer) {
    const KeptLayer& restored = Restore(layer, distinct);
    if (shared) CopyToAll(layer, batch, copies, restored);
    const KeptLayer& kept = shared ? all_ : restored;
    for (size_t i = kBlocksPerLayer; i-- > 0;) {
      AHA_RETURN_IF_ERROR(
          transformer_.block(layer, i).Backward({.batch = all,
                                                 .input = kept[i].input,
                                                 .buffers = kept[i].buffers,
                                                 .dx = dx,
                                                 .scratch = scratch_,
                                                 .sum = sum}));
    }
  }
  return absl::OkStatus();
}

}  // namespace aha
