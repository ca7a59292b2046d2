// How `ahactl run` takes a run directory: what may be started in it, and that
// no other process works in it.
//
//   1. ExamineDirectory says whether the run is new, continues or is over.
//   2. ClaimDirectory makes the directory, takes its lock and waits for the
//      processes of an earlier run.
//   3. ExamineDirectory is called again, since the earlier run may have come
//      to its end meanwhile.
//
// The coordinator has the last word when it opens its database.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "run/reader.h"

namespace aha::cli {

// The job.yaml that a directory holds, compared with the job to be run.
struct HeldJob {
  absl::Status status;  // Why it cannot be read; NOT_FOUND: there is none.
  std::string name = {};
  bool same_result = false;  // The settings that decide the result are equal.
};

enum class Start { kFresh, kResume, kAlreadyDone };

// What the user asked for: a new run, to continue one, or whichever of the two
// the directory needs.
enum class Wish { kNew, kResume, kWhatIsNeeded };

// NOT_FOUND: nothing to resume.  ALREADY_EXISTS: the directory holds another
// job, or a run that a fresh start would lose.  FAILED_PRECONDITION: its job
// cannot be read.
absl::StatusOr<Start> ExamineDirectory(const run::RunReader& run,
                                       const HeldJob& held, Wish wish);

struct ClaimOptions {
  bool quiet = false;  // Does not say that it waits.
  // More than a supervisor gives its processes to leave.
  absl::Duration patience = absl::Seconds(30);
};

// Holds the lock for the life of this process.  ALREADY_EXISTS: another run
// works in the directory and does not end within the patience.
// INVALID_ARGUMENT: the directory cannot be made; RESOURCE_EXHAUSTED: because
// the disk is full.
absl::Status ClaimDirectory(const run::RunReader& run,
                            const ClaimOptions& options);

}  // namespace aha::cli
