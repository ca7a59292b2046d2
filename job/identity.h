// Identifies what the result of a job is a function of: the job file and the
// content of the files that it names.  A run directory belongs to one job and
// to the files with which the job began.
//
// Pure functions of the job and its files; thread-safe.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/hash.h"

namespace aha {

// A hash of everything in the job file that decides the result: all but name,
// cluster, checkpoint, and how often and how long a reward's program runs.
Hash128 ResultFingerprint(const v1::Job& job);

// Maps the key of the job file that names a file (with the name of the file, if
// the key names a directory) to a text that identifies its content:
// "model.path/config.json" to "1204 bytes, checksum 0f3a...".
using InputFiles = std::map<std::string, std::string>;

// These functions hash each file whole, at the speed of the disk.
// INVALID_ARGUMENT names the key if a file cannot be read.
absl::StatusOr<InputFiles> MeasurePrompts(const v1::Job& job);
// The programs of the user's that judge completions.
absl::StatusOr<InputFiles> MeasureRewards(const v1::Job& job);
absl::StatusOr<InputFiles> MeasureDocuments(const v1::Job& job);
enum class WithWeights { kNo, kYes };
// Weights that are not there are left out, since a job that continues from a
// checkpoint does not need them.
absl::StatusOr<InputFiles> MeasureModel(const v1::Model& model,
                                        WithWeights weights);

}  // namespace aha
