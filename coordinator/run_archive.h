// The runs of a coordinator and those of their files that are for people, as
// the admin API shows them.  It only reads, and a request cannot name any other
// file.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/admin.pb.h"

namespace aha::coordinator {

class RunArchive {
 public:
  // Reads one run.
  RunArchive(std::string job, std::string directory)
      : job_(std::move(job)), directory_(std::move(directory)) {}
  // Reads all runs below `root`, each in a directory with the name of its job.
  explicit RunArchive(std::string root) : directory_(std::move(root)) {}

  // From job.yaml and summary.json, by name.
  std::vector<v1::JobStatus> List() const;
  absl::StatusOr<std::vector<v1::RunFile>> Files(const std::string& job) const;
  // The bytes of the file from `offset` on, at most 1 MiB and `max_bytes`.
  absl::StatusOr<std::string> Read(const v1::ReadRunFileRequest& request) const;

 private:
  absl::StatusOr<std::string> DirectoryOf(const std::string& job) const;

  const std::string job_;  // Empty: a root of runs.
  const std::string directory_;
};

}  // namespace aha::coordinator
