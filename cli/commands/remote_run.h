// The run directory of a job that a coordinator somewhere else holds, as a
// directory here: fetched through the Admin service, so that every command
// that reads a run works from afar.
//
// Small files are fetched whole, logs and JSON lines as they grow; rollouts
// (large) are empty until Fetch.  Removed at destruction.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client/admin_client.h"
#include "cli/report/run_directory.h"

namespace aha::cli {

class RemoteRun {
 public:
  // kNotFound: no such job.
  static absl::StatusOr<std::unique_ptr<RemoteRun>> Open(
      const AdminOptions& options, const std::string& job);
  ~RemoteRun();
  RemoteRun(const RemoteRun&) = delete;
  RemoteRun& operator=(const RemoteRun&) = delete;

  RunDirectory directory() const;
  // The content of a file that directory() has; its path or its name.
  absl::Status Fetch(const std::string& path);

 private:
  struct State;
  explicit RemoteRun(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::cli
