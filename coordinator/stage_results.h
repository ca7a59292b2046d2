// The figures of the results of stages that do not train, from their records.
// Pure functions.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "aha/v1/job.pb.h"
#include "coordinator/state_store.h"

namespace aha::coordinator {

// By the names of StageStatus.metrics.
std::map<std::string, double> FiguresOf(const EvalRecord& eval);
std::map<std::string, double> FiguresOf(const DatasetRecord& dataset,
                                        const v1::Job& job);

// The mean over all completions in the file; nothing if there are none, or the
// job has no rewards.
std::optional<double> MeanReward(const DatasetRecord& dataset,
                                 const v1::Job& job);

}  // namespace aha::coordinator
