// Runs real jobs on real processes for the tests of the promise.
//
// A LocalCluster is one run of `ahactl run` in its own directory; the test may
// look for its processes, kill them, and waits for the end.  Every wait has a
// deadline; the destructor leaves no process behind.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/temp_dir.h"

namespace aha::testing {

struct Process {
  std::string name;
  std::string role;
  pid_t pid = 0;
};

class LocalCluster {
 public:
  // Starts `ahactl run recipe --dir directory arguments...`, output to
  // <directory>.out.
  LocalCluster(const std::string& recipe, const std::string& directory,
               const std::vector<std::string>& arguments);
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  pid_t supervisor() const { return pid_; }
  // From processes.json; empty while it is not there.
  std::vector<Process> Processes() const;
  // Waits until the processes are up and the job has done at least `steps`
  // steps, or is over.
  bool WaitForSteps(int64_t steps, absl::Duration limit) const;
  int64_t StepsDone() const;  // Lines of metrics.jsonl.
  bool Over();                // ahactl ended.

  // Waits for the end; the exit code, or -signal, or -1000 after `limit`.
  int Wait(absl::Duration limit);
  void Signal(int signal) const;

  // summary.json; null if absent.
  nlohmann::json Summary() const;
  std::string Output() const;

 private:
  const std::string directory_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

// One service by itself, output to a file; killed at the end.
class Service {
 public:
  Service(const std::vector<std::string>& argv, const std::string& output);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void Signal(int signal) const;
  // As LocalCluster::Wait.
  int Wait(absl::Duration limit);

 private:
  pid_t pid_;
};

// Where the coordinator of the run directory serves; "" if it does not within
// some seconds.
std::string AwaitEndpoint(const std::string& directory);

// A port of the loopback that somebody listens at.
class TakenPort {
 public:
  TakenPort();
  ~TakenPort();
  TakenPort(const TakenPort&) = delete;
  TakenPort& operator=(const TakenPort&) = delete;
  const std::string& address() const { return address_; }

 private:
  int fd_ = -1;
  std::string address_;
};

// Runs a command to its end; its exit code and what it wrote to stdout+stderr.
struct CommandResult {
  int exit_code = 0;
  std::string output;
};
CommandResult RunCommand(const std::vector<std::string>& argv,
                         absl::Duration limit = absl::Minutes(2));

// Polls until `condition` holds; false after `limit`, here and above several
// times that under a sanitizer (AHA_PATIENCE in CMakeLists.txt).
bool Eventually(const std::function<bool()>& condition, absl::Duration limit);

std::string Recipe(const std::string& name);      // Path of recipes/<name>.
std::string Binary(const std::string& name);      // Path of a built program.
std::string SourceFile(const std::string& path);  // In the source tree.
std::string ReadFileOrEmpty(const std::string& path);

}  // namespace aha::testing
