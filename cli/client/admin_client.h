// The coordinator's Admin service, in the words of job_view.h.
//
// Thread-safe.  Calls block up to their deadline; errors say who was asked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/report/job_view.h"

namespace aha::v1 {
class Job;
}  // namespace aha::v1

namespace aha::cli {

// How to reach a coordinator that is not on this machine.
struct AdminOptions {
  std::string address;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  std::string tls_server_name;
  bool insecure = false;
  absl::Duration deadline = absl::Seconds(10);
};

class AdminClient {
 public:
  static absl::StatusOr<std::unique_ptr<AdminClient>> New(
      const AdminOptions& options);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  absl::StatusOr<JobView> GetJob();
  absl::StatusOr<JobView> PauseJob();
  absl::StatusOr<JobView> ResumeJob();
  absl::StatusOr<JobView> StopJob();
  absl::StatusOr<std::vector<MemberView>> ListMembers();
  absl::Status DrainMember(const std::string& name);

  // False: the coordinator had this job already.
  absl::StatusOr<bool> SubmitJob(const v1::Job& job, bool resume);
  // Those that ended, too, of a standing coordinator; by name.
  absl::StatusOr<std::vector<JobView>> ListJobs();
  // Bytes by name, relative to the run directory.
  absl::StatusOr<std::map<std::string, uint64_t>> ListRunFiles(
      const std::string& job);
  // Some bytes from `offset` on; none at the end of the file.
  absl::StatusOr<std::string> ReadRunFile(const std::string& job,
                                          const std::string& name,
                                          uint64_t offset);

  // Calls `on_status` at every change until the job ends (OK), the stream
  // breaks (its error) or `on_status` returns false (OK).
  absl::Status WatchJob(const std::function<bool(const JobView&)>& on_status);

  // Ends calls that wait, and all later ones; from any thread.
  void Cancel();

 private:
  struct Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Follows a job in a thread of its own to its end, reconnecting as needed.
//
// Thread-safe.  Start it only after the signals that the main thread handles
// are blocked: threads inherit the mask.
class JobWatcher {
 public:
  explicit JobWatcher(AdminOptions options);
  ~JobWatcher();  // Stops within a second or so.
  JobWatcher(const JobWatcher&) = delete;
  JobWatcher& operator=(const JobWatcher&) = delete;

  // The latest status; nothing before the first.
  std::optional<JobView> Latest() const;
  // Why nothing has come for so long; OK if the stream stands, or the job has
  // ended.
  absl::Status LostFor(absl::Duration limit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aha::cli
