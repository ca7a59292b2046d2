// The state of a Generator: the groups that wait, the sequences that are live,
// and the KV blocks that both hold. Internal to model/.
//
//   queue (groups in order) --Admit--> rows (live sequences) --> finished
//
// generator.cc accepts requests, generator_step.cc advances them.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/ceil_div.h"
#include "device/buffer.h"
#include "model/generator.h"
#include "model/kv_cache.h"
#include "model/transformer.h"
#include "ops/attention.h"

namespace aha {

// Returns how many KV blocks this many tokens need.
inline int64_t BlocksFor(int64_t tokens) {
  return CeilDiv(tokens, ops::kBlockTokens);
}

struct Generator::Impl {
  // A group with samples that are not live yet.
  struct Group {
    GroupRequest request;
    // The request's limit, or what is left of the context if that is less.
    int64_t max_new_tokens = 0;
    // The blocks of the prompt; the last sample takes them over.
    std::vector<int32_t> blocks;
    int64_t prefilled = 0;     // Prompt tokens in the cache.
    std::vector<char> hidden;  // The head's input after the prompt, in dtype.
    int32_t admitted = 0;      // Samples that have become live so far.
    int32_t unfinished = 0;    // Samples that have not ended.
    int64_t reserved = 0;      // Blocks that are set aside for the prompt.

    int64_t prompt_length() const {
      return static_cast<int64_t>(request.prompt.size());
    }
    int64_t blocks_per_sample() const {  // In addition to the shared blocks.
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

    // Position of the latest token, which the next pass processes.
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

  // The samples that a step makes live: `samples` of a group whose prompt is
  // complete after the pass. `last_row` is the pass's row of the prompt's last
  // token, or -1 if an earlier pass already set the group's `hidden`.
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
  // Returns why the row ends with its latest token, or nothing if it does not
  // end.
  std::optional<FinishReason> Finished(const Row& row) const;
  // Returns the row's blocks to the pool, and with the last sample the
  // reservation of the prompt.
  void Release(Row* row);
  void Forget(Group* group, int64_t samples);

  Transformer& transformer;
  const GeneratorOptions options;
  KvCache cache;
  BlockPool pool;
  // The number of blocks that live samples and started groups may need at most.
  // A sample is admitted only if all blocks that it may need are available, so
  // a live sample never waits for another.
  int64_t reserved = 0;
  std::deque<GroupPtr> queue;  // Only the first one may have been started.
  std::vector<Row> rows;
  Buffer head_rows;  // [rows, hidden], dtype: the input of the head.
};

}  // namespace aha
