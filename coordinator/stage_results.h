// What the results of stages that do not train mean: figures and files, from
// their records.  Pure functions.
#pragma once

#include <map>
#include <string>

#include "coordinator/state_store.h"
#include "job/plan.h"

namespace aha::coordinator {

// By the names of StageStatus.metrics.
std::map<std::string, double> FiguresOf(const EvalRecord& eval);
std::map<std::string, double> FiguresOf(const DatasetRecord& dataset);

// Of all completions in the file; 0 if there are none.
double MeanReward(const DatasetRecord& dataset);

// Where a stage writes its data set, relative to the run directory.
std::string DatasetFile(const StagePlan& stage);

}  // namespace aha::coordinator
