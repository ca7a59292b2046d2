#include "cli/local/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/child_process.h"
#include "base/exit_code.h"
#include "base/file_io.h"
#include "base/status.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

const char* ProgramName(ProcessRole role) {
  switch (role) {
    case ProcessRole::kCoordinator:
      return "aha-coordinator";
    case ProcessRole::kReward:
      return "aha-reward";
    case ProcessRole::kLearner:
      return "aha-learner";
    case ProcessRole::kActor:
      return "aha-actor";
    case ProcessRole::kSupervisor:
      break;
  }
  return "ahactl";
}

}  // namespace

Supervisor::Supervisor(SupervisorOptions options, Clock clock, OnEvent on_event,
                       FileSystem& files)
    : options_(std::move(options)),
      run_(options_.run_dir),
      clock_(std::move(clock)),
      files_(files),
      on_event_(std::move(on_event)),
      policy_(options_.restart) {}

Supervisor::~Supervisor() {
  for (const auto& process : processes_) SignalChild(process->pid, SIGKILL);
}

std::string Supervisor::LogPath(const std::string& name) const {
  return absl::StrCat(run_.File(run::kLogsFolder), "/", name, run::kLogSuffix);
}

absl::Status Supervisor::Start() {
  std::error_code error;
  const std::string logs = run_.File(run::kLogsFolder);
  std::filesystem::create_directories(logs, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot create ", logs, ": ", error.message()));
  }
  // The endpoint of an earlier run must not be taken for the new one.
  AHA_RETURN_IF_ERROR(files_.Remove(run_.File(run::kEndpointFile)));
  started_ = clock_();
  return Launch(ProcessRole::kCoordinator, 0);
}

absl::Status Supervisor::Launch(ProcessRole role, int index) {
  auto process = std::make_unique<Process>();
  process->role = role;
  process->index = index;
  process->name = role == ProcessRole::kCoordinator
                      ? "coordinator"
                      : absl::StrCat(RoleName(role), "-", index);
  AHA_RETURN_IF_ERROR(Spawn(process.get()));
  processes_.push_back(std::move(process));
  WriteProcesses();
  return absl::OkStatus();
}

CpuShare Supervisor::Cpus(const Process& process) const {
  if (process.role == ProcessRole::kLearner) {
    return LearnerShare(options_.cpus, process.index);
  }
  if (process.role == ProcessRole::kActor) {
    return ActorShare(options_.cpus, process.index);
  }
  return {};
}

std::vector<std::string> Supervisor::Arguments(const Process& process) const {
  std::vector<std::string> argv = {
      absl::StrCat(options_.bin_dir, "/", ProgramName(process.role))};
  const auto add = [&argv](std::initializer_list<std::string> more) {
    argv.insert(argv.end(), more);
  };
  if (process.role == ProcessRole::kCoordinator) {
    add({"--job", options_.job_path, "--run-dir", options_.run_dir, "--listen",
         "127.0.0.1:0"});
    if (options_.resume) add({"--resume"});
  } else {
    add({"--coordinator", endpoint_->address, "--name", process.name});
    if (process.role != ProcessRole::kActor) add({"--listen", "127.0.0.1:0"});
    if (process.role == ProcessRole::kReward) {
      for (const std::string& path : options_.allowed_commands) {
        add({"--allow-command", path});
      }
    } else {
      add({"--threads", absl::StrCat(Cpus(process).threads)});
      if (options_.device != "cpu") add({"--device", options_.device});
    }
    if (process.role == ProcessRole::kLearner) {
      add({"--rank", absl::StrCat(process.index)});
    }
  }
  if (options_.with_metrics) add({"--metrics-listen", "127.0.0.1:0"});
  return argv;
}

absl::Status Supervisor::Spawn(Process* process) {
  ChildOptions child;
  child.argv = Arguments(*process);
  child.log_path = LogPath(process->name);
  const CpuShare share = Cpus(*process);
  child.cpus = share.cpus;
  // A team of OpenMP threads that spins while it waits makes the process that
  // shares its cores 5 to 100 times slower (docs/design.md, section 9).
  child.environment = {
      "OMP_WAIT_POLICY=passive",
      absl::StrCat("OMP_NUM_THREADS=", share.threads),
  };
  std::error_code missing;
  const uintmax_t size = std::filesystem::file_size(child.log_path, missing);
  process->log_begin = missing ? 0 : static_cast<int64_t>(size);
  AHA_ASSIGN_OR_RETURN(process->pid, StartChild(child));
  return absl::OkStatus();
}

void Supervisor::Tick() {
  ReapAll();
  if (phase_ == Phase::kStarting) LookForEndpoint();
  if (phase_ == Phase::kRunning) RestartDue();
  if (phase_ == Phase::kStopping) Escalate();
  SampleMemory();
  WriteProcesses();
}

void Supervisor::LookForEndpoint() {
  absl::StatusOr<run::Endpoint> endpoint = run_.ReadEndpoint();
  const Process& coordinator = *processes_.front();
  if (!endpoint.ok() || endpoint->pid != coordinator.pid) {
    if (clock_() - started_ > options_.start_deadline) {
      Fail({.process = coordinator.name,
            .how = absl::StrCat("did not serve within ",
                                absl::FormatDuration(options_.start_deadline)),
            .reason = "no endpoint.json",
            .log_path = LogPath(coordinator.name),
            .log_tail =
                LogTail(LogPath(coordinator.name), 5, coordinator.log_begin)});
    }
    return;
  }
  endpoint_ = *std::move(endpoint);
  phase_ = Phase::kRunning;
  absl::Status started;
  const auto launch = [&](ProcessRole role, int count) {
    for (int i = 0; i < count && started.ok(); ++i) started = Launch(role, i);
  };
  launch(ProcessRole::kReward, options_.reward_replicas);
  launch(ProcessRole::kLearner, options_.cpus.learners);
  launch(ProcessRole::kActor, options_.cpus.actors);
  next_actor_ = options_.cpus.actors;
  if (!started.ok()) {
    ClusterFailure failure;
    failure.process = "ahactl";
    failure.how = std::string(started.message());
    Fail(std::move(failure));
  }
}

void Supervisor::ReapAll() {
  for (const auto& process : processes_) {
    if (process->pid == 0) continue;
    if (const auto exit = ReapChild(process->pid)) OnExit(process.get(), *exit);
  }
  std::erase_if(processes_, [](const auto& process) {
    return process->pid == 0 && process->restart_at == absl::InfiniteFuture();
  });
}

void Supervisor::OnExit(Process* process, const ProcessExit& exit) {
  // Processes that it started itself end with it.
  SignalChild(process->pid, SIGKILL);
  process->pid = 0;
  process->restart_at = absl::InfiniteFuture();
  if (phase_ == Phase::kStopping || phase_ == Phase::kDone) {
    // SIGTERM is sent once only.
    if (process->role == ProcessRole::kCoordinator &&
        term_at_ != absl::InfiniteFuture()) {
      BeginStopping(options_.orphan_grace);
    }
    return;
  }
  if (process->leaving) {
    on_event_("left", process->name, exit.Describe());
    return;
  }
  const ExitDecision decision =
      policy_.OnExit(process->name, process->role, exit);
  switch (decision.action) {
    case ExitAction::kForget:
      if (process->role == ProcessRole::kCoordinator) {
        BeginStopping(options_.orphan_grace);
      }
      return;
    case ExitAction::kRestart:
      process->restart_at = clock_() + decision.delay;
      process->ended = exit.Describe();
      // A clean exit most often means the end of the job, which the session
      // learns of soon.
      if (exit.Clean()) return;
      on_event_("died", process->name,
                absl::StrCat(exit.Describe(), "; ", decision.reason));
      return;
    case ExitAction::kStopAll:
      Fail({.process = process->name,
            .how = exit.Describe(),
            .reason = decision.reason,
            .log_path = LogPath(process->name),
            .log_tail = LogTail(LogPath(process->name), 8, process->log_begin),
            .refused = exit.code == kExitRefused});
      return;
  }
}

void Supervisor::Fail(ClusterFailure failure) {
  on_event_(
      "failed", failure.process,
      absl::StrCat(
          failure.how, "; ", failure.reason,
          failure.log_tail.empty() ? "" : "; " + failure.log_tail.back()));
  if (!failure_) failure_ = std::move(failure);
  StopAll();
}

void Supervisor::RestartDue() {
  for (const auto& process : processes_) {
    if (process->pid != 0 || process->restart_at > clock_()) continue;
    const absl::Status spawned = Spawn(process.get());
    if (!spawned.ok()) {
      process->restart_at = clock_() + options_.restart.longest_delay;
      on_event_("restart failed", process->name,
                std::string(spawned.message()));
      continue;
    }
    ++restarts_;
    on_event_("restarted", process->name,
              absl::StrCat("it had ended (", process->ended,
                           ") while the job continues; pid ", process->pid));
  }
}

void Supervisor::OnJobEnded() {
  if (phase_ == Phase::kStopping || phase_ == Phase::kDone) return;
  BeginStopping(options_.leave_grace);
}

void Supervisor::BeginStopping(absl::Duration grace) {
  phase_ = Phase::kStopping;
  term_at_ = std::min(term_at_, clock_() + grace);
  kill_at_ = std::min(kill_at_, clock_() + grace + options_.stop_grace);
}

void Supervisor::StopAll() {
  phase_ = phase_ == Phase::kDone ? phase_ : Phase::kStopping;
  term_at_ = std::min(term_at_, clock_());
  kill_at_ = std::min(kill_at_, clock_() + options_.stop_grace);
  Escalate();
}

void Supervisor::KillAll() {
  phase_ = phase_ == Phase::kDone ? phase_ : Phase::kStopping;
  kill_at_ = clock_();
  Escalate();
}

void Supervisor::Escalate() {
  const absl::Time now = clock_();
  if (now >= kill_at_) {
    for (const auto& process : processes_) SignalChild(process->pid, SIGKILL);
  } else if (now >= term_at_) {
    term_at_ = absl::InfiniteFuture();
    for (const auto& process : processes_) SignalChild(process->pid, SIGTERM);
  }
  if (!AnyAlive()) {
    processes_.clear();
    phase_ = Phase::kDone;
  }
}

bool Supervisor::AnyAlive() const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [](const auto& process) { return process->pid != 0; });
}

absl::StatusOr<std::string> Supervisor::AddActor() {
  if (phase_ != Phase::kRunning) {
    return absl::FailedPreconditionError(
        "the cluster is not running; an actor cannot be added now");
  }
  AHA_RETURN_IF_ERROR(Launch(ProcessRole::kActor, next_actor_));
  ++next_actor_;
  std::string name = processes_.back()->name;
  on_event_("added", name, absl::StrCat("pid ", processes_.back()->pid));
  return name;
}

absl::Status Supervisor::RemoveActor(
    const std::string& name, const std::function<absl::Status()>& drain) {
  const auto found = std::find_if(
      processes_.begin(), processes_.end(), [&](const auto& process) {
        return process->name == name && process->role == ProcessRole::kActor;
      });
  if (found == processes_.end()) {
    return absl::NotFoundError(
        absl::StrCat("this cluster has no actor \"", name, "\""));
  }
  Process& actor = **found;
  absl::Status drained = drain();
  // An actor that waits for its restart is just not started again.
  if (!drained.ok() && actor.pid != 0) return drained;
  actor.leaving = true;
  actor.restart_at = absl::InfiniteFuture();
  return absl::OkStatus();
}

std::vector<run::ProcessEntry> Supervisor::Processes() const {
  std::vector<run::ProcessEntry> entries = {
      {"supervisor", std::string(RoleName(ProcessRole::kSupervisor)),
       ::getpid()}};
  for (const auto& process : processes_) {
    if (process->pid == 0) continue;
    entries.push_back(
        {process->name, std::string(RoleName(process->role)), process->pid});
  }
  return entries;
}

void Supervisor::WriteProcesses() {
  std::vector<run::ProcessEntry> entries;
  if (phase_ != Phase::kDone) entries = Processes();
  if (entries == written_) return;
  // A full disk must not end the run; the next tick writes the file again.
  const absl::Status written = ReplaceFile(
      files_, run_.File(run::kProcessesFile), run::ProcessesText(entries));
  if (written.ok()) written_ = std::move(entries);
}

void Supervisor::SampleMemory() {
  if (clock_() < sample_at_) return;
  sample_at_ = clock_() + absl::Milliseconds(500);
  uint64_t sum = 0;
  for (const run::ProcessEntry& entry : Processes()) {
    sum += PeakResidentBytes(entry.pid);
  }
  peak_rss_bytes_ = std::max(peak_rss_bytes_, sum);
}

}  // namespace aha::cli
