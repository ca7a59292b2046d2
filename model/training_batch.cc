#include "model/training_batch.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"

namespace aha {
namespace {

absl::Status Invalid(size_t sequence, absl::string_view rule, int64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("sequence ", sequence, ": ", rule, ", found ", value));
}

bool HasTargets(const TrainSequence& sequence) {
  return sequence.prompt_length < static_cast<int64_t>(sequence.tokens.size());
}

// Where a sequence's first rows stand already.
struct Beginning {
  size_t of = 0;     // An earlier sequence
  int64_t rows = 0;  // with these first tokens in common; 0: none.
};

Beginning LongestBeginning(const TrainingBatch& batch, size_t s) {
  const ops::SequenceRows& sequence = batch.sequences[s];
  const auto tokens = batch.tokens.begin() + sequence.first_row;
  Beginning best;
  for (size_t t = 0; t < s; ++t) {
    const ops::SequenceRows& earlier = batch.sequences[t];
    const auto theirs = batch.tokens.begin() + earlier.first_row;
    const int64_t rows = std::min(sequence.rows, earlier.rows);
    const int64_t same =
        std::mismatch(tokens, tokens + rows, theirs).first - tokens;
    if (same > best.rows) best = {t, same};
  }
  return best;
}

// Below this share of saved rows, copying them for the backward pass costs
// about what it saves.
constexpr int64_t kWorthSharing = 4;  // A fourth.

std::vector<Beginning> SharedBeginnings(const TrainingBatch& batch) {
  std::vector<Beginning> shared(batch.sequences.size());
  int64_t saved = 0;
  for (size_t s = 0; s < shared.size(); ++s) {
    shared[s] = LongestBeginning(batch, s);
    saved += shared[s].rows;
  }
  if (saved * kWorthSharing < batch.rows()) {
    shared.assign(shared.size(), Beginning{});
  }
  return shared;
}

// Calls visit(first, count) for each run of consecutive numbers.
template <class Visit>
void ForRuns(absl::Span<const int64_t> numbers, Visit&& visit) {
  for (size_t begin = 0, end = 0; begin < numbers.size(); begin = end) {
    end = begin + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    visit(begin, end - begin);
  }
}

void FindDistinct(TrainingBatch* batch) {
  TrainingBatch::Distinct& distinct = batch->distinct;
  const std::vector<Beginning> shared = SharedBeginnings(*batch);
  for (size_t s = 0; s < shared.size(); ++s) {
    const ops::SequenceRows& sequence = batch->sequences[s];
    const int64_t first = batch->sequences[shared[s].of].first_row;
    for (int64_t p = 0; p < shared[s].rows; ++p) {
      distinct.of.push_back(distinct.of[static_cast<size_t>(first + p)]);
    }
    const auto theirs = absl::MakeConstSpan(distinct.of)
                            .last(static_cast<size_t>(shared[s].rows));
    ForRuns(theirs, [&](size_t begin, size_t count) {
      distinct.stores.push_back(
          {.blocks = sequence.blocks,
           .first_row = theirs[begin],
           .rows = static_cast<int64_t>(count),
           .first_position = static_cast<int64_t>(begin)});
    });
    if (shared[s].rows == sequence.rows) continue;
    distinct.sequences.push_back({.blocks = sequence.blocks,
                                  .first_row = batch->distinct_rows(),
                                  .rows = sequence.rows - shared[s].rows,
                                  .first_position = shared[s].rows});
    distinct.stores.push_back(distinct.sequences.back());
    for (int64_t p = shared[s].rows; p < sequence.rows; ++p) {
      const size_t row = static_cast<size_t>(sequence.first_row + p);
      distinct.of.push_back(batch->distinct_rows());
      distinct.tokens.push_back(batch->tokens[row]);
      distinct.positions.push_back(batch->positions[row]);
    }
  }
}

// The distinct rows that live.distinct.of names by their number in the whole
// batch; afterwards, by that in the part.  The keys and values of the others
// stand in the cache.
std::vector<RowMove> KeepDistinct(const TrainingBatch& whole,
                                  TrainingBatch* live) {
  TrainingBatch::Distinct& distinct = live->distinct;
  std::vector<int64_t> place(static_cast<size_t>(whole.distinct_rows()), -1);
  for (const int64_t row : distinct.of) place[static_cast<size_t>(row)] = 0;
  std::vector<RowMove> moves;
  for (ops::SequenceRows sequence : whole.distinct.sequences) {
    const int64_t from = sequence.first_row;
    const int64_t to = live->distinct_rows();
    int64_t count = 0;
    // What is shared of a sequence is its beginning.
    for (; count < sequence.rows; ++count) {
      const size_t row = static_cast<size_t>(from + count);
      if (place[row] < 0) break;
      place[row] = live->distinct_rows();
      distinct.tokens.push_back(whole.distinct.tokens[row]);
      distinct.positions.push_back(whole.distinct.positions[row]);
    }
    if (count == 0) continue;
    moves.push_back({from, to, count});
    sequence.first_row = to;
    sequence.rows = count;
    distinct.sequences.push_back(sequence);
  }
  distinct.stores = distinct.sequences;
  for (int64_t& row : distinct.of) row = place[static_cast<size_t>(row)];
  return moves;
}

}  // namespace

absl::Status CheckSequences(absl::Span<const TrainSequence> sequences,
                            const ModelConfig& config) {
  for (size_t s = 0; s < sequences.size(); ++s) {
    const int64_t size = static_cast<int64_t>(sequences[s].tokens.size());
    if (size < 1 || size > config.context()) {
      return Invalid(s,
                     absl::StrCat("must have 1 to ", config.ContextRule(), " (",
                                  config.context(), ") tokens"),
                     size);
    }
    const int64_t prompt = sequences[s].prompt_length;
    if (prompt < 1 || prompt > size) {
      return Invalid(
          s, absl::StrCat("prompt_length must be in [1, ", size, "]"), prompt);
    }
    for (const int32_t token : sequences[s].tokens) {
      if (token < 0 || token >= config.vocab_size) {
        return Invalid(
            s, absl::StrCat("token ids must be below ", config.vocab_size),
            token);
      }
    }
  }
  return absl::OkStatus();
}

TrainingBatch MakeTrainingBatch(absl::Span<const TrainSequence> sequences) {
  TrainingBatch batch;
  int64_t blocks = 0;
  for (const TrainSequence& sequence : sequences) {
    if (!HasTargets(sequence)) continue;
    const int64_t rows = static_cast<int64_t>(sequence.tokens.size()) - 1;
    blocks += CeilDiv(rows, ops::kBlockTokens);
  }
  batch.blocks.resize(static_cast<size_t>(blocks));
  std::iota(batch.blocks.begin(), batch.blocks.end(), 0);
  const int32_t* table = batch.blocks.data();
  for (const TrainSequence& sequence : sequences) {
    if (!HasTargets(sequence)) continue;
    const int64_t first = batch.rows();
    const int64_t rows = static_cast<int64_t>(sequence.tokens.size()) - 1;
    batch.sequences.push_back({.blocks = table,
                               .first_row = first,
                               .rows = rows,
                               .first_position = 0});
    table += CeilDiv(rows, ops::kBlockTokens);
    batch.tokens.insert(batch.tokens.end(), sequence.tokens.begin(),
                        sequence.tokens.end() - 1);
    for (int64_t p = 0; p < rows; ++p) {
      batch.positions.push_back(static_cast<int32_t>(p));
    }
    batch.target_counts.push_back(rows + 1 - sequence.prompt_length);
    for (int64_t t = sequence.prompt_length; t <= rows; ++t) {
      batch.target_rows.push_back(first + t - 1);
      batch.targets.push_back(sequence.tokens[static_cast<size_t>(t)]);
    }
  }
  FindDistinct(&batch);
  return batch;
}

RowBatch AllRows(const TrainingBatch& batch, KvCache* cache) {
  return {.tokens = batch.tokens,
          .positions = batch.positions,
          .sequences = batch.sequences,
          .cache = cache};
}

RowBatch DistinctRows(const TrainingBatch& batch, KvCache* cache) {
  return {.tokens = batch.distinct.tokens,
          .positions = batch.distinct.positions,
          .sequences = batch.distinct.sequences,
          .cache = cache,
          .stores = batch.distinct.stores};
}

LivePart SelectLive(const TrainingBatch& batch,
                    absl::Span<const float> dlogprob) {
  LivePart part;
  TrainingBatch& live = part.batch;
  int64_t target = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const int64_t targets = batch.target_counts[s];
    const auto derivatives = dlogprob.subspan(static_cast<size_t>(target),
                                              static_cast<size_t>(targets));
    const int64_t first_target = std::exchange(target, target + targets);
    if (std::all_of(derivatives.begin(), derivatives.end(),
                    [](float d) { return d == 0; })) {
      continue;
    }
    ops::SequenceRows sequence = batch.sequences[s];
    const int64_t shift = sequence.first_row - live.rows();
    part.targets.push_back({first_target, live.num_targets(), targets});
    for (int64_t t = first_target; t < target; ++t) {
      const size_t i = static_cast<size_t>(t);
      live.target_rows.push_back(batch.target_rows[i] - shift);
      live.targets.push_back(batch.targets[i]);
    }
    const int64_t first_row = std::exchange(sequence.first_row, live.rows());
    const auto append = [&](const auto& from, auto* to) {
      to->insert(to->end(), from.begin() + first_row,
                 from.begin() + first_row + sequence.rows);
    };
    append(batch.positions, &live.positions);
    append(batch.tokens, &live.tokens);
    append(batch.distinct.of, &live.distinct.of);
    live.sequences.push_back(sequence);
    live.target_counts.push_back(targets);
  }
  part.distinct = KeepDistinct(batch, &live);
  return part;
}

std::vector<RowMove> CopiesOf(const TrainingBatch& batch) {
  std::vector<RowMove> copies;
  ForRuns(batch.distinct.of, [&](size_t begin, size_t count) {
    copies.push_back({batch.distinct.of[begin], static_cast<int64_t>(begin),
                      static_cast<int64_t>(count)});
  });
  return copies;
}

void MoveRows(absl::Span<const RowMove> moves, int64_t width, void* data) {
  char* bytes = static_cast<char*>(data);
  for (const RowMove& move : moves) {
    std::memmove(bytes + move.to * width, bytes + move.from * width,
                 static_cast<size_t>(move.count * width));
  }
}

}  // namespace aha
