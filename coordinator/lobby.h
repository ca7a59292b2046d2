// What a standing coordinator serves while it has no job: it takes submissions,
// shows the runs that were, and asks members to wait.
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

class Lobby {
 public:
  // Serves when it returns.  `submissions` must outlive it, and nobody else may
  // use it meanwhile.  `problem`: why the last submission did not start; for
  // those who ask for a job.  ALREADY_EXISTS: a port is in use.
  static absl::StatusOr<std::unique_ptr<Lobby>> Start(
      const rpc::ServiceFlags& flags, Submissions& submissions,
      std::string problem);
  ~Lobby();
  Lobby(const Lobby&) = delete;
  Lobby& operator=(const Lobby&) = delete;

  const std::string& address() const;
  int port() const;

  // The job that was accepted; nothing at Interrupt.
  std::optional<v1::Job> Wait();
  void Interrupt();

 private:
  struct State;
  explicit Lobby(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace aha::coordinator
