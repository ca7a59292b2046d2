// summary.json, and what an eval stage shows in the status.  Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aha/v1/admin.pb.h"
#include "coordinator/eval_board.h"
#include "coordinator/history.h"
#include "coordinator/plan.h"

namespace aha::coordinator {

struct SummaryInput {
  const JobPlan* plan = nullptr;
  std::string state;
  std::string problem;
  Position position;
  Totals totals;
  std::map<uint32_t, EvalRecord> evals;
  std::vector<double> stage_seconds = {};  // Over all attempts.
  double train_tokens_per_second = 0;
};

// docs/design.md section 10.
std::string SummaryJson(const SummaryInput& input);

// prompts, pass_at_1, mean_completion_length of a stage that ended or runs.
void AddEvalMetrics(uint32_t stage, const std::map<uint32_t, EvalRecord>& evals,
                    const std::optional<EvalBoard>& running,
                    v1::StageStatus& shown);

}  // namespace aha::coordinator
