// A copy on this machine of the run directory of a job elsewhere, made through
// the coordinator's Admin service, so that every command that reads a run
// directory works from afar.
//
// Small files are copied whole.  Logs and files of lines are copied as they
// grow.  Rollouts and data sets, which are large, are empty until Fetch.  The
// destructor removes the copy, as do signals that end the process.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client/admin_client.h"
#include "run/reader.h"

namespace aha::cli {

class RemoteRun {
 public:
  // NOT_FOUND: the coordinator has no such job.
  static absl::StatusOr<std::unique_ptr<RemoteRun>> Open(
      const AdminOptions& options, const std::string& job);
  ~RemoteRun();
  RemoteRun(const RemoteRun&) = delete;
  RemoteRun& operator=(const RemoteRun&) = delete;

  run::RunReader directory() const;
  // Copies the content of a file of directory(); `path` is its path or its
  // name.
  absl::Status Fetch(const std::string& path);

 private:
  struct State;
  explicit RemoteRun(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::cli
