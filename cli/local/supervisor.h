// The processes of a local cluster: starts, restarts and stops them.
//
//   kStarting  --endpoint.json-->  kRunning  --end or failure-->  kStopping
//        \________________ all have ended ________________________/  |
//                                                                  kDone
//
// Everything happens in Tick(), which never blocks; the caller ticks it a few
// times a second and after SIGCHLD.  processes.json is rewritten at every
// change.  A process that does not end within `stop_grace` of being asked gets
// SIGKILL, so kDone is always reached.
//
// Owned by the main thread (see child_process.h).  Time comes from the clock.
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
#include "cli/local/cpu_plan.h"
#include "cli/local/restart_policy.h"
#include "cli/report/run_directory.h"

namespace aha::cli {

struct SupervisorOptions {
  std::string bin_dir;  // Holds aha-coordinator and the others.
  std::string run_dir;
  std::string job_path;
  int reward_replicas = 1;
  CpuRequest cpus;  // With the numbers of actors and learners.
  bool resume = false;
  bool with_metrics = true;  // A Prometheus endpoint a process.
  RestartOptions restart;
  absl::Duration start_deadline = absl::Seconds(60);  // Of the coordinator.
  absl::Duration leave_grace = absl::Seconds(15);     // To leave by themselves.
  // The same once the coordinator, which waits for them, is gone.
  absl::Duration orphan_grace = absl::Seconds(2);
  absl::Duration stop_grace = absl::Seconds(10);  // From SIGTERM to SIGKILL.
};

// The death that ended the run.
struct ClusterFailure {
  std::string process;
  std::string how;     // "signal 9 (Killed)"
  std::string reason;  // Why that is the end.
  std::string log_path;
  std::vector<std::string> log_tail;
  bool refused = false;  // Exit code 78.
};

class Supervisor {
 public:
  enum class Phase { kStarting, kRunning, kStopping, kDone };

  // `on_event(event, process, text)`: a person may want to know.
  using OnEvent = std::function<void(absl::string_view, absl::string_view,
                                     const std::string&)>;

  Supervisor(SupervisorOptions options, Clock clock, OnEvent on_event);
  ~Supervisor();  // Kills what still lives.
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Starts the coordinator; the others follow when it serves.
  absl::Status Start();
  void Tick();

  void OnProgress() { policy_.OnProgress(); }
  // The job reached its end: everybody has `leave_grace` to leave.
  void OnJobEnded();
  void StopAll();  // SIGTERM, then SIGKILL.
  void KillAll();  // SIGKILL.

  // The new actor's name.  kFailedPrecondition unless running.
  absl::StatusOr<std::string> AddActor();
  // Once `drain` has asked the actor to leave its end is no death; if asking
  // fails it stays as it was, with that error.  kNotFound if it is none.
  absl::Status RemoveActor(const std::string& name,
                           const std::function<absl::Status()>& drain);

  Phase phase() const { return phase_; }
  const std::optional<Endpoint>& endpoint() const { return endpoint_; }
  const std::optional<ClusterFailure>& failure() const { return failure_; }
  std::vector<ProcessEntry> Processes() const;
  int restarts() const { return restarts_; }
  // Largest sum of resident memory over the processes seen so far.
  uint64_t peak_rss_bytes() const { return peak_rss_bytes_; }

 private:
  struct Process {
    std::string name;
    ProcessRole role;
    int index;
    pid_t pid = 0;  // 0: waits for its restart.
    absl::Time restart_at;
    std::string ended;      // How, the last time.
    int64_t log_begin = 0;  // Before it, the log is of earlier processes.
    bool leaving = false;
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
  const Clock clock_;
  const OnEvent on_event_;
  RestartPolicy policy_;
  Phase phase_ = Phase::kStarting;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<ProcessEntry> written_;
  std::optional<Endpoint> endpoint_;
  std::optional<ClusterFailure> failure_;
  absl::Time started_;
  absl::Time term_at_ = absl::InfiniteFuture();
  absl::Time kill_at_ = absl::InfiniteFuture();
  absl::Time sample_at_ = absl::InfinitePast();
  uint64_t peak_rss_bytes_ = 0;
  int next_actor_ = 0;
  int restarts_ = 0;
};

// The last lines of a log from byte `begin` on, newest last.
std::vector<std::string> LogTail(const std::string& path, int lines,
                                 int64_t begin = 0);

}  // namespace aha::cli
