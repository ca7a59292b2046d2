// The figures of the results of stages that do not train, from their records.
// Pure functions.
#pragma once

#include <map>
#include <string>

#include "coordinator/state_store.h"

namespace aha::coordinator {

// By the names of StageStatus.metrics.
std::map<std::string, double> FiguresOf(const EvalRecord& eval);
std::map<std::string, double> FiguresOf(const DatasetRecord& dataset);

// Of all completions in the file; 0 if there are none.
double MeanReward(const DatasetRecord& dataset);

}  // namespace aha::coordinator
