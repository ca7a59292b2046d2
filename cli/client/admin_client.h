// Asks a coordinator's Admin service; its answers are the values of
// run/job_view.h.
//
// Thread-safe.  A call blocks until its deadline at most.  Errors name the
// address that was asked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "run/job_view.h"

namespace aha::v1 {
class Job;
}  // namespace aha::v1

namespace aha::cli {

// How to reach a coordinator.
struct AdminOptions {
  std::string address;  // HOST:PORT
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  std::string tls_server_name;
  bool insecure = false;
  absl::Duration deadline = absl::Seconds(10);  // For each call.
};

class AdminClient {
 public:
  static absl::StatusOr<std::unique_ptr<AdminClient>> New(
      const AdminOptions& options);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  absl::StatusOr<run::JobView> GetJob();
  absl::StatusOr<run::JobView> PauseJob();
  absl::StatusOr<run::JobView> ResumeJob();
  absl::StatusOr<run::JobView> StopJob();
  absl::StatusOr<std::vector<run::MemberView>> ListMembers();
  absl::Status DrainMember(const std::string& name);

  // Returns false if the coordinator had this job already.
  absl::StatusOr<bool> SubmitJob(const v1::Job& job, bool resume);
  // A standing coordinator also lists the jobs that have ended; by name.
  absl::StatusOr<std::vector<run::JobView>> ListJobs();
  // The size in bytes of each file; names are relative to the run directory.
  absl::StatusOr<std::map<std::string, uint64_t>> ListRunFiles(
      const std::string& job);
  // Some bytes from byte `offset` on; "" at the end of the file.
  absl::StatusOr<std::string> ReadRunFile(const std::string& job,
                                          const std::string& name,
                                          uint64_t offset);

  // Calls `on_status` at every change until the job ends (OK), the stream
  // breaks (its error) or `on_status` returns false (OK).
  absl::Status WatchJob(
      const std::function<bool(const run::JobView&)>& on_status);

  // Ends the calls that wait, and every later one, with CANCELLED.
  void Cancel();

 private:
  struct Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::cli
