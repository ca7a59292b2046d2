// The names of the files in a run directory (docs/run-directory.md), which
// every program that reads or writes one takes from here.
//
// Scripts rely on these names: a name may be added, never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace aha::run {

// The job with every default filled in.
inline constexpr char kJobFile[] = "job.yaml";
// The job that `ahactl run` hands to the coordinator, which writes kJobFile
// once the directory is the job's.  It is gone when the cluster runs.
inline constexpr char kNewJobFile[] = "job.new.yaml";
inline constexpr char kSummaryFile[] = "summary.json";      // summary.h
inline constexpr char kMetricsFile[] = "metrics.jsonl";     // metrics.h
inline constexpr char kEventsFile[] = "events.jsonl";       // events.h
inline constexpr char kProcessesFile[] = "processes.json";  // processes.h
inline constexpr char kEndpointFile[] = "endpoint.json";    // processes.h
inline constexpr char kTargetsFile[] = "targets.json";      // Prometheus's.
inline constexpr char kDatabaseFile[] = "coordinator.db";   // SQLite.

// <step name>.jsonl, one line for each trajectory (rollouts.h).
inline constexpr char kRolloutsFolder[] = "rollouts";
// <stage>.jsonl, one line for each completion: what a stage of type `sample`
// writes (DatasetFile below).
inline constexpr char kDatasetsFolder[] = "datasets";
// <step name>/, with kManifestFile written last (manifest.h).
inline constexpr char kCheckpointsFolder[] = "checkpoints";
inline constexpr char kManifestFile[] = "manifest.json";
inline constexpr char kModelFolder[] = "model";  // In a checkpoint.
// <process>.log: what the process wrote to stdout and stderr.
inline constexpr char kLogsFolder[] = "logs";
inline constexpr char kLogSuffix[] = ".log";
inline constexpr char kLinesSuffix[] = ".jsonl";
// The policy versions that are being served.
inline constexpr char kWeightsFolder[] = "weights";

// Locked by the process that works in the directory.
inline constexpr char kCoordinatorLockFile[] = "coordinator.lock";
inline constexpr char kSupervisorLockFile[] = "supervisor.lock";
// The Unix socket at which `ahactl run` takes requests.
inline constexpr char kSupervisorSocket[] = "supervisor.sock";

// A step's name in kRolloutsFolder and kCheckpointsFolder: "step-000012", or
// "<stage>-step-000012" in a job of several stages of its kind.
struct NamedStep {
  std::string stage;  // Empty if the name has none.
  uint64_t step = 0;
};
std::string StepName(const NamedStep& step);
// Nothing if `name` is not such a name.
std::optional<NamedStep> ParseStepName(absl::string_view name);

// Where the stage of that name writes its data set, relative to the run
// directory: "datasets/<stage>.jsonl".
std::string DatasetFile(absl::string_view stage);

}  // namespace aha::run
