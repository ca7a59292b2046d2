// Reads and writes processes.json and endpoint.json, which say which processes
// work on a run and where its coordinator serves.  Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/lenient_json.h"

namespace aha::run {

// endpoint.json: where the coordinator serves, as long as it serves.
struct Endpoint {
  std::string address = {};  // HOST:PORT of its gRPC services.
  uint64_t epoch = 0;        // Number of this start of the coordinator.
  pid_t pid = 0;
  std::string host = {};             // The machine of `pid`; "": unknown.
  std::string metrics_address = {};  // HOST:PORT; "" if it has no metrics.

  // Whether `host` is this machine, so that `pid` can be looked up here.
  bool OnThisHost() const;
};

std::string EndpointText(const Endpoint& endpoint);
// DATA_LOSS: the text is not an object with an address; the error begins with
// `what`.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       absl::string_view what);

// A live process of a local cluster.
struct ProcessEntry {
  std::string name;  // "actor-0"
  std::string role;  // "actor"
  pid_t pid = 0;

  friend bool operator==(const ProcessEntry&, const ProcessEntry&) = default;
};

// processes.json, which `ahactl run` keeps.
std::string ProcessesText(const std::vector<ProcessEntry>& processes);
Json ToJson(const ProcessEntry& process);
// DATA_LOSS: the text is not a list; the error begins with `what`.
absl::StatusOr<std::vector<ProcessEntry>> ParseProcesses(
    absl::string_view text, absl::string_view what);

// Whether `pid` runs on this machine, under any user.  A zombie does not count.
bool ProcessIsAlive(pid_t pid);
// The base name of the program that `pid` runs, "" if it does not run.
std::string ProgramOf(pid_t pid);

}  // namespace aha::run
