// The coordinator of one job as a whole: storage, domain, services, endpoint.
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

namespace aha::coordinator {

struct AppOptions {
  rpc::ServiceFlags flags;
  v1::Job job;  // Resolved.
  std::string run_directory;
  // The directory of all runs, for a standing coordinator; else "".
  std::string runs = {};
  bool resume = false;
};

class App {
 public:
  // Serves when it returns.  FAILED_PRECONDITION: the run directory holds
  // another job, a run that only `resume` may continue, another coordinator, or
  // a database that is damaged or of another schema version.  ALREADY_EXISTS: a
  // port is in use.
  static absl::StatusOr<std::unique_ptr<App>> Start(const AppOptions& options);
  ~App();  // Removes endpoint.json and stops serving.
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  const std::string& address() const;
  int port() const;
  bool Ended() const;  // The job is in an end state.

  // Returns when the job has ended and its members have left (or 5 s later),
  // 20 s after Stop, or at Interrupt.  With --linger it stays after the end of
  // the job, so that the job can still be looked at, until Stop.
  void Wait();
  // Stops the job with a checkpoint; it can be resumed later.  `why` is
  // recorded as the reason.
  void Stop(const std::string& why);
  // Ends Wait at once.
  void Interrupt();

 private:
  struct State;
  explicit App(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether the run in `run_directory` has succeeded, and its summary and last
// checkpoint are there, so that there is nothing to resume.
absl::StatusOr<bool> HasSucceeded(const std::string& run_directory);

}  // namespace aha::coordinator
