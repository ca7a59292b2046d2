// Decides whether a run directory may be used for a job, and takes it for this
// coordinator.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "coordinator/state_store.h"
#include "run/writer.h"

namespace aha::coordinator {

// Records the job in the store of its run directory and returns the epoch of
// this coordinator: 1 for the first one of the run, then one more each time.
// FAILED_PRECONDITION: the directory holds another job, a run that only
// `resume` may continue, checkpoints that its database does not know, or a run
// that began with other input files.
absl::StatusOr<uint64_t> ClaimRun(const v1::Job& job, bool resume,
                                  const run::RunWriter& directory,
                                  StateStore& store);

// Whether the run in `run_directory` has succeeded, and its summary and last
// checkpoint are there, so that there is nothing to resume.
absl::StatusOr<bool> HasSucceeded(const std::string& run_directory);

// DATA_LOSS becomes FAILED_PRECONDITION with what to do about it, because a
// restart cannot repair a damaged database.  Other statuses stay as they are.
absl::Status ExplainDamage(const std::string& run_directory,
                           absl::Status status);

}  // namespace aha::coordinator
