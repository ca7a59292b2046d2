// The coordinator's composition: storage, domain, services, endpoint.
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
  std::string runs = {};  // Of a standing coordinator: where all runs are.
  bool resume = false;
};

class App {
 public:
  // Serves when it returns.  FAILED_PRECONDITION: the run directory holds
  // another job, an unfinished run and resume is false, or another coordinator.
  // ALREADY_EXISTS: a port is in use.
  static absl::StatusOr<std::unique_ptr<App>> Start(const AppOptions& options);
  ~App();  // Removes endpoint.json and stops serving.
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  const std::string& address() const;
  int port() const;
  bool Ended() const;  // The job is in an end state.

  // Returns when the job has ended and its members have left (waiting 5 s for
  // them), 20 s after Stop, or at Interrupt.  With --linger a job that has
  // ended waits for Stop: it can be asked for.
  void Wait();
  // Stops the job with a checkpoint; it can be resumed later.  `why` is kept
  // as the reason.
  void Stop(const std::string& why);
  // Ends Wait at once.
  void Interrupt();

 private:
  struct State;
  explicit App(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Whether the run in `run_directory` has succeeded already and its summary and
// last checkpoint are there, so that there is nothing to resume.
absl::StatusOr<bool> HasSucceeded(const std::string& run_directory);

}  // namespace aha::coordinator
