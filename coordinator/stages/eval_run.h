// The run of a stage of kind eval: it sums up the scored groups of held-out
// prompts.  Its result is recorded when the last group has come; a stage that
// is interrupted before that is evaluated anew.
#pragma once

#include "coordinator/stages/collect_run.h"

namespace aha::coordinator {

class EvalRun : public CollectRun {
 public:
  explicit EvalRun(const StageParts& parts) : CollectRun(parts) {}

  absl::Status RecordEnd() override;
  // prompts, pass_at_1 and mean_completion_length of the groups so far.
  std::map<std::string, double> Figures() const override;

 protected:
  void Take(const v1::ScoredGroup& group) override;

 private:
  EvalRecord Result() const;

  // Whole numbers, so that the order of arrival does not matter.
  uint64_t right_ = 0;  // Completions whose first reward part is at least 1.
  uint64_t completions_ = 0;
  uint64_t tokens_ = 0;
};

}  // namespace aha::coordinator
