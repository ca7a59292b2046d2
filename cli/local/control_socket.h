// The Unix socket in a run directory at which `ahactl run` takes requests: one
// line in, one line out.  Only the user who owns the run can connect (mode
// 0600, and the peer's uid is compared).
//
//   request   "actor add" | "actor remove actor-1" | "stop"
//   answer    "ok TEXT" | "error CODE TEXT"
//
// The server never blocks: Poll() serves the connections that are ready.  Owned
// by one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace aha::cli {

// Returns the text of the answer.
using ControlHandler =
    std::function<absl::StatusOr<std::string>(const std::string& request)>;

class ControlServer {
 public:
  // Listens at <directory>/supervisor.sock and replaces a socket that an
  // earlier run left.  The caller holds the run's lock.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Listen(
      const std::string& directory, ControlHandler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Descriptors to poll for reading.
  std::vector<int> Descriptors() const;
  // Accepts, reads and answers as far as possible without waiting.
  void Poll();

 private:
  struct Connection;
  ControlServer(std::string path, int fd, ControlHandler handler);
  // Whether the connection stays open.
  bool Serve(Connection* connection);

  const std::string path_;
  const int fd_;
  const ControlHandler handler_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

// Sends one request to the supervisor of `directory` and returns its answer.
// UNAVAILABLE: none listens.
absl::StatusOr<std::string> AskSupervisor(const std::string& directory,
                                          const std::string& request,
                                          absl::Duration timeout);

}  // namespace aha::cli
