// A coordinator process that serves one job: its servers and the job behind
// them.
//
//   auto app = App::Start(options);
//   AHA_RETURN_IF_ERROR(app.status());
//   (*app)->Wait();   // Another thread may call Stop or Interrupt.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "cluster/service_flags.h"
#include "coordinator/host.h"
#include "coordinator/hosted_job.h"

namespace aha::coordinator {

struct AppOptions {
  rpc::ServiceFlags flags;
  v1::Job job;  // Resolved.
  std::string run_directory;
  bool resume = false;
};

class App {
 public:
  // Serves when it returns.  FAILED_PRECONDITION: the run directory holds
  // another job, a run that only `resume` may continue, another coordinator, or
  // a database that is damaged or of another schema version.  ALREADY_EXISTS: a
  // port is in use.
  static absl::StatusOr<std::unique_ptr<App>> Start(const AppOptions& options);
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  const std::string& address() const { return host_->address(); }
  int port() const { return host_->port(); }
  bool Ended() const { return job_->Ended(); }  // The job is in an end state.

  // As those of HostedJob.
  void Wait() { job_->Wait(); }
  void Stop(const std::string& why) { job_->Stop(why); }
  void Interrupt() { job_->Interrupt(); }

 private:
  App(std::unique_ptr<Host> host, HostedJob* job)
      : host_(std::move(host)), job_(job) {}

  const std::unique_ptr<Host> host_;
  HostedJob* const job_;  // Belongs to the host.
};

}  // namespace aha::coordinator
