// Runs real jobs on real processes, for the tests of the promise.
//
// A LocalCluster is one run of `ahactl run` in its own directory. The test may
// look up its processes, kill them, and wait for the end. Every wait has a
// deadline, and the destructor leaves no process behind.
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
  // Starts `ahactl run recipe --dir directory arguments...` with its output in
  // <directory>.out.
  LocalCluster(const std::string& recipe, const std::string& directory,
               const std::vector<std::string>& arguments);
  ~LocalCluster();
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  pid_t supervisor() const { return pid_; }
  // Reads processes.json; empty while that does not exist.
  std::vector<Process> Processes() const;
  // Waits until the processes are up and the job has done at least `steps`
  // steps, or has ended.
  bool WaitForSteps(int64_t steps, absl::Duration limit) const;
  int64_t StepsDone() const;  // Counts the lines of metrics.jsonl.
  bool Over();                // Whether ahactl has ended.

  // Waits for the end. Returns the exit code, -signal, or -1000 after `limit`.
  int Wait(absl::Duration limit);
  void Signal(int signal) const;

  // Returns summary.json, or null if it does not exist.
  nlohmann::json Summary() const;
  std::string Output() const;

 private:
  const std::string directory_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

// A single service with its output in a file. The destructor kills it.
class Service {
 public:
  Service(const std::vector<std::string>& argv, const std::string& output);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void Signal(int signal) const;
  // Does the same as LocalCluster::Wait.
  int Wait(absl::Duration limit);

 private:
  pid_t pid_;
};

// Returns the address at which the coordinator of the run directory serves; ""
// if it does not serve within some seconds.
std::string AwaitEndpoint(const std::string& directory);

// A port of the loopback on which another socket listens.
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

// Runs a command to its end. The output is stdout and stderr together.
struct CommandResult {
  int exit_code = 0;
  std::string output;
};
CommandResult RunCommand(const std::vector<std::string>& argv,
                         absl::Duration limit = absl::Minutes(2));

// Polls until `condition` holds; returns false after `limit`. Under a sanitizer
// all limits here are several times as long (AHA_PATIENCE in CMakeLists.txt).
bool Eventually(const std::function<bool()>& condition, absl::Duration limit);

std::string Recipe(const std::string& name);      // Path of recipes/<name>.
std::string Binary(const std::string& name);      // Path of a built program.
std::string SourceFile(const std::string& path);  // Path in the source tree.
std::string ReadFileOrEmpty(const std::string& path);

}  // namespace aha::testing
