// What stands behind a Generator: the groups that wait, the sequences that live
// and the KV blocks that both hold.  Internal to model/.
//
//   queue (groups in order) --Admit--> rows (live sequences) --> finished
//
// generator.cc takes requests in, generator_step.cc advances them.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "device/buffer.h"
#include "model/generator.h"
#include "model/kv_cache.h"
#include "model/transformer.h"
#include "ops/attention.h"

namespace aha {

// KV blocks of that many tokens.
inline int64_t BlocksFor(int64_t tokens) {
  return (tokens + ops::kBlockTokens - 1) / ops::kBlockTokens;
}

struct Generator::Impl {
  // A group whose samples are not all alive or done.
  struct Group {
    GroupRequest request;
    int64_t max_new_tokens = 0;  // What the context leaves of the request's.
    // The prompt's, until the last sample has them.
    std::vector<int32_t> blocks;
    int64_t prefilled = 0;     // Prompt tokens in the cache.
    std::vector<char> hidden;  // What the head reads after the prompt, dtype.
    int32_t admitted = 0;      // Samples made alive so far.
    int32_t unfinished = 0;    // Samples that have not ended.
    int64_t reserved = 0;      // Blocks set aside for the prompt.

    int64_t prompt_length() const {
      return static_cast<int64_t>(request.prompt.size());
    }
    int64_t blocks_per_sample() const {  // Beside the shared ones.
      return BlocksFor(prompt_length() + max_new_tokens) -
             prompt_length() / ops::kBlockTokens;
    }
    int64_t waiting() const { return request.num_samples - admitted; }
  };
  using GroupPtr = std::shared_ptr<Group>;

  // A live sequence.
  struct Row {
    GroupPtr group;
    Sample sample;
    std::vector<int32_t> blocks;

    // Of the latest token, which the next pass takes in.
    int64_t position() const {
      return group->prompt_length() +
             static_cast<int64_t>(sample.tokens.size()) - 1;
    }
  };

  // The rows of one forward pass.
  struct Pass {
    std::vector<int32_t> tokens;
    std::vector<int32_t> positions;
    std::vector<ops::SequenceRows> sequences;

    int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
    void Add(const std::vector<int32_t>& blocks, int64_t first_position,
             absl::Span<const int32_t> more) {
      sequences.push_back({.blocks = blocks.data(),
                           .first_row = rows(),
                           .rows = static_cast<int64_t>(more.size()),
                           .first_position = first_position});
      for (size_t i = 0; i < more.size(); ++i) {
        positions.push_back(static_cast<int32_t>(first_position) +
                            static_cast<int32_t>(i));
      }
      tokens.insert(tokens.end(), more.begin(), more.end());
    }
  };

  // What a step makes alive: `samples` of a group whose prompt is complete
  // after the pass, the prompt's last token standing in `last_row` of it (-1:
  // `hidden` is there from an earlier pass).
  struct Admission {
    GroupPtr group;
    int64_t samples;
    int64_t last_row;
  };

  Impl(Policy* policy, const GeneratorOptions& options, KvCache kv)
      : transformer(policy->transformer()),
        options(options),
        cache(std::move(kv)),
        pool(cache.blocks()) {}

  const ModelConfig& config() const { return transformer.config(); }
  int64_t row_bytes() const {
    return config().hidden_size * transformer.element_bytes();
  }

  absl::Status Submit(GroupRequest request);
  absl::StatusOr<std::vector<Sample>> Step();
  void Cancel(uint64_t id);

  void AddLiveRows(Pass* pass);
  std::vector<Admission> PlanAdmissions(Pass* pass);
  void Prefill(Group* group, int64_t budget, Pass* pass);
  void RunPass(const Pass& pass, absl::Span<const Admission> admissions);
  void Admit(const Admission& admission);
  absl::Status Draw();
  std::vector<Sample> TakeFinished();
  // Why the row ends with its latest token, if it does.
  std::optional<FinishReason> Finished(const Row& row) const;
  // The row's blocks, and the prompt's reservation with its last sample.
  void Release(Row* row);
  void Forget(Group* group, int64_t samples);

  Transformer& transformer;
  const GeneratorOptions options;
  KvCache cache;
  BlockPool pool;
  // Blocks that live samples and started groups may come to need, at most: a
  // sample is admitted only if every block it may need is there, so a live one
  // never waits for another.
  int64_t reserved = 0;
  std::deque<GroupPtr> queue;  // Only the first may have been started.
  std::vector<Row> rows;
  Buffer head_rows;  // [rows, hidden], dtype: what the head reads.
};

}  // namespace aha
