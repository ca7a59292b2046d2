// The end of a process that ended a local cluster, as a person reads it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace aha::cli {

struct ClusterFailure {
  std::string process = {};
  std::string how = {};     // "signal 9 (Killed)"
  std::string reason = {};  // Why the cluster cannot continue.
  std::string log_path = {};
  std::vector<std::string> log_tail = {};
  bool refused = false;  // Exit code 78: a restart would not help.
};

// Which process ended and how, the last lines of its log, the path of the log,
// and the command that continues the job.
std::vector<std::string> RenderFailure(const ClusterFailure& failure,
                                       const std::string& resume_command);

// The last `lines` lines of a log from byte `begin` on, the newest last; none
// if it cannot be read.
std::vector<std::string> LogTail(const std::string& path, int lines,
                                 int64_t begin = 0);

}  // namespace aha::cli
