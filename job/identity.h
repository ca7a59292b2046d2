// What a job's result is a function of: the job file, and the content of the
// files that it names.
//
// A run directory belongs to one fingerprint, and to the files that it began
// with.  Pure functions of the job and its files; thread-safe.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/hash.h"

namespace aha {

// Of everything in the job file that decides the result: all but name, cluster
// and checkpoint.
Hash128 ResultFingerprint(const v1::Job& job);

// Key of the job file, with the file's name below a directory, to size and
// checksum: "model.path/config.json" -> "1204 bytes, checksum 0f3a...".  Equal
// texts: equal content.
using InputFiles = std::map<std::string, std::string>;

// Each is hashed whole, at the speed of the disk.  INVALID_ARGUMENT names the
// key if a file cannot be read.
absl::StatusOr<InputFiles> MeasurePrompts(const v1::Job& job);
absl::StatusOr<InputFiles> MeasureDocuments(const v1::Job& job);
enum class WithWeights { kNo, kYes };
// Weights that are not there are left out: a job that goes on from a checkpoint
// does without.
absl::StatusOr<InputFiles> MeasureModel(const v1::Model& model,
                                        WithWeights weights);

}  // namespace aha
