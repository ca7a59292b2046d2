// A private Slurm cluster on this machine: munged, slurmctld and two slurmd, n1
// and n2, at loopback addresses of their own. Everything is below one temporary
// directory and at ports that were free.
//
// There are two partitions: jobs of `hi` preempt those of `low`, which get a
// warning first and are requeued. Every wait has a deadline, and the destructor
// cancels all jobs and leaves no process behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/local_cluster.h"

namespace aha::testing {

// Returns which of its programs is not installed, for GTEST_SKIP; "" if all
// are.
std::string WhyNoSlurm();

class SlurmCluster {
 public:
  SlurmCluster();
  ~SlurmCluster();
  SlurmCluster(const SlurmCluster&) = delete;
  SlurmCluster& operator=(const SlurmCluster&) = delete;

  // Returns why it does not run, with the last lines of the daemons' logs; ""
  // if it does.
  const std::string& problem() const { return problem_; }
  // Returns slurmd's error if this machine does not let it work; else empty.
  const std::string& machine_forbids() const { return machine_forbids_; }
  const std::string& directory() const { return scratch_.path(); }
  std::string Path(const std::string& name) const {
    return directory() + "/" + name;
  }

  // Runs any Slurm command; `environment` is "NAME=value".
  CommandResult Run(const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment = {}) const;
  // Runs `sbatch deploy/slurm/aha.sbatch arguments...` with options before the
  // script and $AHA_BIN_DIR set. Returns the job's id, or "" (and sets
  // `problem`) if it is refused. The output goes to Path("slurm-ID.out").
  std::string Submit(const std::vector<std::string>& options,
                     const std::vector<std::string>& arguments,
                     std::vector<std::string> environment = {});
  // Returns "RUNNING", "COMPLETED" ...; "" if Slurm does not know the job.
  std::string State(const std::string& job) const;
  // Waits until Slurm calls the job ended, and returns its state.
  std::string AwaitEnd(const std::string& job, absl::Duration limit) const;
  // Returns exit code and signal, such as "0:0".
  std::string ExitCode(const std::string& job) const;
  std::string Output(const std::string& job) const;

 private:
  std::string Start();
  std::string Field(const std::string& job, const std::string& name) const;

  TempDir scratch_;
  std::vector<std::unique_ptr<Service>> daemons_;
  std::string machine_forbids_;
  std::string problem_;
};

}  // namespace aha::testing
