// What the results of stages that do not train mean: figures and files, from
// their records.  Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "coordinator/state_store.h"
#include "job/plan.h"

namespace aha::coordinator {

// By the names of StageStatus.metrics.
std::map<std::string, double> FiguresOf(const EvalRecord& eval);
std::map<std::string, double> FiguresOf(const DatasetRecord& dataset,
                                        const v1::Job& job);

// Of all completions in the file; nothing if there are none, or the job has no
// rewards.
std::optional<double> MeanReward(const DatasetRecord& dataset,
                                 const v1::Job& job);

// Where a stage writes its data set, relative to the run directory.
std::string DatasetFile(const StagePlan& stage);

}  // namespace aha::coordinator
