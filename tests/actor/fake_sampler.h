// A sampler without a model. Sample i of a group makes 2 + i % 3 tokens, each
// of which is a pure function of the weights, the key, the sample and the
// position.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "actor/sampler.h"
#include "base/hash.h"

namespace aha::actor {

class FakeSampler : public Sampler {
 public:
  absl::Status Load(WeightBuffer& weights) override {
    if (!idle()) return absl::InternalError("weights changed under a sequence");
    weights_.assign(weights.data(), weights.size());
    loads.push_back(weights_);
    return absl::OkStatus();
  }
  void Unload() override {
    weights_.clear();
    ++unloads;
  }
  absl::Status Submit(GroupRequest request) override {
    if (!submit_error.ok()) return submit_error;
    submitted.push_back(request.key.step * 100 + request.key.slot);
    for (int32_t i = 0; i < request.num_samples; ++i) {
      Row row;
      row.sample.group = request.id;
      row.sample.index = i;
      row.key = request.key;
      rows_.push_back(std::move(row));
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<Sample>> Step() override {
    if (!step_error.ok()) return step_error;
    ++steps;
    std::vector<Sample> ended;
    std::vector<Row> left;
    for (Row& row : rows_) {
      Advance(row);
      if (static_cast<int>(row.sample.tokens.size()) ==
          2 + row.sample.index % 3) {
        ended.push_back(std::move(row.sample));
      } else {
        left.push_back(std::move(row));
      }
    }
    rows_ = std::move(left);
    return ended;
  }
  void Cancel(uint64_t group) override {
    std::erase_if(rows_,
                  [&](const Row& row) { return row.sample.group == group; });
  }
  bool idle() const override { return rows_.empty(); }
  int64_t queued_samples() const override { return 0; }
  int64_t live_samples() const override {
    return static_cast<int64_t>(rows_.size());
  }

  std::vector<std::string> loads;
  std::vector<uint64_t> submitted;  // step * 100 + slot.
  absl::Status submit_error;
  absl::Status step_error;
  int steps = 0;
  int unloads = 0;

 private:
  struct Row {
    Sample sample;
    SampleKey key;
  };

  void Advance(Row& row) const {
    Hasher hasher;
    hasher.String(weights_);
    hasher.U64(row.key.seed);
    hasher.U64(row.key.step);
    hasher.U64(row.key.slot);
    hasher.U64(static_cast<uint64_t>(row.sample.index));
    hasher.U64(row.sample.tokens.size());
    const int32_t token = hasher.Finish().bytes[0];
    row.sample.tokens.push_back(token);
    row.sample.logprobs.push_back(-static_cast<float>(token + 1) / 256);
  }

  std::string weights_;
  std::vector<Row> rows_;
};

}  // namespace aha::actor
