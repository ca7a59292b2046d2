// Starts, restarts and stops the processes of a local cluster.
//
//   kStarting  --endpoint.json-->  kRunning  --end or failure-->  kStopping
//        \________________ all have ended ________________________/  |
//                                                                  kDone
//
//   1. Start() starts the coordinator.
//   2. Once endpoint.json names it, the other processes are started.
//   3. A process that ends is restarted as RestartPolicy decides.
//   4. At the end of the job each process has `leave_grace` to leave, then it
//      gets SIGTERM, and `stop_grace` later SIGKILL.  So kDone is always
//      reached.
//
// Everything happens in Tick(), which never blocks.  The caller calls it a few
// times a second and after SIGCHLD.  processes.json is rewritten at every
// change.
//
// Owned by the main thread (child_process.h says why).  The time comes from the
// clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "cli/local/cpu_plan.h"
#include "cli/local/failure.h"
#include "cli/local/restart_policy.h"
#include "run/reader.h"

namespace aha::cli {

struct SupervisorOptions {
  std::string bin_dir;  // Holds aha-coordinator and the others.
  std::string run_dir;
  std::string job_path;
  int reward_replicas = 1;
  // What the reward replicas may run: programs that the job file names.
  std::vector<std::string> allowed_commands;
  std::string device = "cpu";  // --device of the actors and the learners.
  CpuRequest cpus;             // With the numbers of actors and learners.
  bool resume = false;
  bool with_metrics = true;  // Each process serves Prometheus.
  RestartOptions restart;
  absl::Duration start_deadline = absl::Seconds(60);  // For the coordinator.
  absl::Duration leave_grace = absl::Seconds(15);     // Until SIGTERM.
  // The same once the coordinator, for which they would leave, is gone.
  absl::Duration orphan_grace = absl::Seconds(2);
  absl::Duration stop_grace = absl::Seconds(10);  // From SIGTERM to SIGKILL.
};

class Supervisor {
 public:
  enum class Phase { kStarting, kRunning, kStopping, kDone };

  // `on_event(event, process, text)` is called for what a person may want to
  // know.
  using OnEvent = std::function<void(absl::string_view, absl::string_view,
                                     const std::string&)>;

  Supervisor(SupervisorOptions options, Clock clock, OnEvent on_event,
             FileSystem& files = RealFileSystem());
  ~Supervisor();  // Kills the processes that still run.
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts the coordinator; the others follow when it serves.
  absl::Status Start();
  void Tick();

  void OnProgress() { policy_.OnProgress(); }
  // The job has reached its end; the processes may leave by themselves.
  void OnJobEnded();
  void StopAll();  // SIGTERM, then SIGKILL.
  void KillAll();  // SIGKILL.

  // Returns the new actor's name.  FAILED_PRECONDITION unless kRunning.
  absl::StatusOr<std::string> AddActor();
  // Calls `drain`, which asks the actor to leave; after that the end of the
  // actor is expected.  If `drain` fails the actor stays, and its error is
  // returned.  NOT_FOUND: no actor has this name.
  absl::Status RemoveActor(const std::string& name,
                           const std::function<absl::Status()>& drain);

  Phase phase() const { return phase_; }
  const std::optional<run::Endpoint>& endpoint() const { return endpoint_; }
  const std::optional<ClusterFailure>& failure() const { return failure_; }
  std::vector<run::ProcessEntry> Processes() const;
  int restarts() const { return restarts_; }
  // The largest sum of resident memory over the processes so far.
  uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }

 private:
  struct Process {
    std::string name;
    ProcessRole role;
    int index;
    pid_t pid = 0;  // 0: it waits for its restart.
    absl::Time restart_at;
    std::string ended;      // How it ended the last time.
    int64_t log_begin = 0;  // Bytes of the log that earlier processes wrote.
    bool leaving = false;   // It was asked to leave.
  };

  absl::Status Launch(ProcessRole role, int index);
  absl::Status Spawn(Process* process);
  std::vector<std::string> Arguments(const Process& process) const;
  CpuShare Cpus(const Process& process) const;
  std::string LogPath(const std::string& name) const;
  void LookForEndpoint();
  void ReapAll();
  void OnExit(Process* process, const ProcessExit& exit);
  void RestartDue();
  void BeginStopping(absl::Duration grace);
  void Escalate();
  void Fail(ClusterFailure failure);
  void WriteProcesses();
  void SampleMemory();
  bool AnyAlive() const;

  const SupervisorOptions options_;
  const run::RunReader run_;
  const Clock clock_;
  FileSystem& files_;
  const OnEvent on_event_;
  RestartPolicy policy_;
  Phase phase_ = Phase::kStarting;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<run::ProcessEntry> written_;
  std::optional<run::Endpoint> endpoint_;
  std::optional<ClusterFailure> failure_;
  absl::Time started_;
  absl::Time term_at_ = absl::InfiniteFuture();
  absl::Time kill_at_ = absl::InfiniteFuture();
  absl::Time sample_at_ = absl::InfinitePast();
  uint64_t peak_rss_bytes_ = 0;
  int next_actor_ = 0;
  int restarts_ = 0;
};

}  // namespace aha::cli
