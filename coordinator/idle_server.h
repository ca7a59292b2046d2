// The server of a standing coordinator while it has no job: it takes
// submissions, shows earlier runs, and asks members to wait.
//
// Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "cluster/service_flags.h"
#include "coordinator/submission.h"

namespace aha::coordinator {

class IdleServer {
 public:
  // Serves when it returns.  `submissions` must outlive it, and must not be
  // used elsewhere meanwhile.  `failure`, if not empty, says why the last
  // submission did not start; calls that ask for a job show it. ALREADY_EXISTS:
  // a port is in use.
  static absl::StatusOr<std::unique_ptr<IdleServer>> Start(
      const rpc::ServiceFlags& flags, Submissions& submissions,
      std::string failure);
  ~IdleServer();
  IdleServer(const IdleServer&) = delete;
  IdleServer& operator=(const IdleServer&) = delete;

  const std::string& address() const;
  int port() const;

  // Waits for a submission: the job that was accepted, or nothing at Interrupt.
  std::optional<v1::Job> Wait();
  void Interrupt();

 private:
  struct State;
  explicit IdleServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::coordinator
