// The servers of a coordinator process, gRPC and metrics, which live as long as
// the process, and the place behind them where a job is installed.
//
//   AHA_ASSIGN_OR_RETURN(const auto host,
//                        Host::Start(flags, archive, nullptr, why_empty));
//   AHA_ASSIGN_OR_RETURN(HostedJob* const job,
//   host->Install(std::move(opened))); job->Wait();
//   host->Remove(absl::NotFoundError("the job is over"));
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cluster/service_flags.h"
#include "coordinator/hosted_job.h"
#include "coordinator/run_archive.h"
#include "coordinator/submission.h"

namespace aha::coordinator {

class Host {
 public:
  // Serves when it returns.  `submissions` takes the jobs of `ahactl submit`
  // and must outlive the host; null: the process serves one job only.  Calls
  // that need a job get `why_empty` until one is installed.  ALREADY_EXISTS: a
  // port is in use.  INVALID_ARGUMENT: the address needs TLS.
  static absl::StatusOr<std::unique_ptr<Host>> Start(
      const rpc::ServiceFlags& flags, RunArchive archive,
      Submissions* submissions, absl::Status why_empty);
  ~Host();  // Removes the job, then stops serving.
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // The address that other processes dial.
  const std::string& address() const;
  int port() const;

  // Begins the job and serves it.  It is valid until Remove.  REQUIRES: no job
  // is installed.
  absl::StatusOr<HostedJob*> Install(std::unique_ptr<HostedJob> job);
  // See JobSlot::Remove.
  void Remove(absl::Status why);

 private:
  struct State;
  explicit Host(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::coordinator
