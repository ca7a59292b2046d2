// ahactl run: checks everything that can be wrong before a process is started.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file_io.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/exit_code.h"
#include "cli/local/run_session.h"
#include "cli/option_checks.h"
#include "cli/report/report.h"
#include "cluster/service_flags.h"
#include "coordinator/state_store.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "job/inputs.h"
#include "job/plan.h"

namespace aha::cli {
namespace {

// More than a supervisor gives its processes to leave.
constexpr absl::Duration kOldRunEnds = absl::Seconds(30);

constexpr char kExamples[] =
    "Examples:\n"
    "  ahactl run recipes/quickstart.yaml\n"
    "  ahactl run job.yaml --actors 2 --set seed=7 --dir runs/seed7\n"
    "  ahactl run --resume --dir runs/quickstart    continue after a stop\n"
    "  ahactl run job.yaml --detach                 in the background\n\n"
    "Starts a whole cluster on this machine, supervises it, shows progress.\n"
    "Ctrl-C stops cleanly with a checkpoint; Ctrl-C again kills at once.\n"
    "With -o json|yaml stdout gets summary.json alone, progress goes to "
    "stderr.";

struct RunFlags {
  std::string job_path;
  std::optional<int> actors;
  std::optional<int> learners;
  std::optional<int> reward_replicas;
  std::optional<int> threads;
  std::string dir;
  std::vector<std::string> set;
  bool resume = false;
  bool detach = false;
  bool quiet = false;
};

std::string DirectoryOf(const RunFlags& flags, const v1::Job& job) {
  return flags.dir.empty() ? "runs/" + job.name() : flags.dir;
}

absl::StatusOr<v1::Job> Load(const RunFlags& flags) {
  std::vector<std::string> overrides = flags.set;
  const auto add = [&overrides](const char* key, std::optional<int> value) {
    if (value) overrides.push_back(absl::StrCat("cluster.", key, "=", *value));
  };
  add("actors", flags.actors);
  add("learners", flags.learners);
  add("reward_replicas", flags.reward_replicas);
  add("threads", flags.threads);
  std::string path = flags.job_path;
  if (path.empty()) {
    if (!flags.resume || flags.dir.empty()) {
      return absl::InvalidArgumentError(
          "JOB.yaml is missing (only `--resume --dir DIR` goes without)");
    }
    path = flags.dir + "/job.yaml";
    if (!RunDirectory(flags.dir).HoldsRun()) {
      return absl::NotFoundError(
          absl::StrCat("nothing to resume: no run in ", flags.dir,
                       " (it has no job.yaml); give JOB.yaml to start one"));
    }
  }
  absl::StatusOr<v1::Job> job = LoadJob(path, overrides);
  // A wrong path is a wrong argument, not an unknown job.
  if (absl::IsNotFound(job.status()) && !flags.job_path.empty()) {
    return absl::InvalidArgumentError(job.status().message());
  }
  if (!job.ok()) return job;
  // job.yaml must mean the same files from everywhere; but a run that was begun
  // with relative paths goes on with them: they are part of its fingerprint.
  const absl::StatusOr<v1::Job> held =
      LoadJob(absl::StrCat(DirectoryOf(flags, *job), "/job.yaml"));
  if (!held.ok() || ResultFingerprint(*held) != ResultFingerprint(*job)) {
    MakePathsAbsolute(&*job);
  }
  return job;
}

// Held for the life of the process; the kernel gives it back.
absl::Status LockRun(const RunDirectory& run, bool quiet) {
  const std::string path = run.File("supervisor.lock");
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot create " + path);
  const absl::Time deadline = absl::Now() + kOldRunEnds;
  for (bool told = quiet; ::flock(fd, LOCK_EX | LOCK_NB) != 0; told = true) {
    // Whose job has an end is about to leave.
    const bool ended = run.ViewFromFiles().state != JobState::kInterrupted;
    if (!ended || absl::Now() > deadline) {
      ::close(fd);
      return absl::AlreadyExistsError(absl::StrCat(
          run.path(), " is in use by another `ahactl run`",
          ended ? ", whose job has ended; end it, or choose another --dir"
                : "; choose another --dir, or stop it with `ahactl job stop "
                  "--dir ",
          ended ? "" : run.path() + "`"));
    }
    if (!told) {
      std::fprintf(stderr,
                   "ahactl: waiting for the run in %s, which is ending\n",
                   run.path().c_str());
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  return absl::OkStatus();
}

// Processes of an earlier run die with their supervisor, but maybe not yet.
absl::Status WaitForOldProcesses(const RunDirectory& run) {
  const absl::StatusOr<std::vector<ProcessEntry>> old = run.ReadProcesses();
  if (!old.ok()) return absl::OkStatus();
  const absl::Time deadline = absl::Now() + kOldRunEnds;
  for (const ProcessEntry& process : *old) {
    while (process.pid != ::getpid() && ProcessIsAlive(process.pid) &&
           absl::StartsWith(ProgramOf(process.pid), "aha-")) {
      if (absl::Now() > deadline) {
        return absl::AlreadyExistsError(absl::StrCat(
            process.name, " (pid ", process.pid, ") of an earlier run in ",
            run.path(), " is still alive after ",
            absl::FormatDuration(kOldRunEnds), "; end it first"));
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSameJob(const RunDirectory& run, const v1::Job& job) {
  const absl::StatusOr<v1::Job> held = LoadJob(run.File("job.yaml"));
  if (!held.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        run.File("job.yaml"), " cannot be read, so nothing can be resumed: ",
        held.status().message()));
  }
  if (ResultFingerprint(*held) == ResultFingerprint(job)) {
    return absl::OkStatus();
  }
  return absl::AlreadyExistsError(absl::StrCat(
      run.path(), " holds another job (\"", held->name(),
      "\" with other settings that decide the result); choose another --dir"));
}

// Whether the directory holds what a fresh start would lose.  A start that was
// refused, or never did a step, left a job.yaml and an empty database.
bool HoldsResults(const RunDirectory& run) {
  std::error_code ignored;
  const std::string database = run.File("coordinator.db");
  if (!std::filesystem::exists(database, ignored)) {
    return std::filesystem::exists(run.File("summary.json"), ignored);
  }
  const auto store = coordinator::StateStore::Open(database);
  if (!store.ok()) return true;  // Whatever it is, it is not ours to lose.
  const absl::StatusOr<bool> results = (*store)->HasResults();
  return !results.ok() || *results;
}

enum class Start { kFresh, kResume, kAlreadyDone };

absl::StatusOr<Start> ExamineDirectory(const RunDirectory& run,
                                       const v1::Job& job, bool resume) {
  if (!resume && !HoldsResults(run)) return Start::kFresh;
  if (!run.HoldsRun()) {
    return absl::NotFoundError(
        absl::StrCat("nothing to resume: ", run.path(),
                     " holds no run; leave out --resume"));
  }
  const JobView view = run.ViewFromFiles();
  AHA_RETURN_IF_ERROR(CheckSameJob(run, job));
  if (!resume) {
    return absl::AlreadyExistsError(
        absl::StrCat(run.path(), " already holds a run of job \"", view.name,
                     "\" (", StateName(view.state),
                     "); continue it with --resume, or choose another --dir"));
  }
  // With a problem, its last steps are in no checkpoint.
  return view.state == JobState::kSucceeded && view.problem.empty()
             ? Start::kAlreadyDone
             : Start::kResume;
}

// Makes the directory this process's.
absl::Status Claim(const RunDirectory& run, bool quiet) {
  std::error_code error;
  std::filesystem::create_directories(run.path(), error);
  if (error.value() == ENOSPC || error.value() == EDQUOT) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot create run directory ", run.path(), ": ", error.message()));
  }
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dir: cannot create run directory ", run.path(), ": ",
                     error.message()));
  }
  AHA_RETURN_IF_ERROR(LockRun(run, quiet));
  return WaitForOldProcesses(run);
}

absl::StatusOr<Start> Prepare(const RunDirectory& run, const v1::Job& job,
                              const RunFlags& flags) {
  AHA_ASSIGN_OR_RETURN(Start start, ExamineDirectory(run, job, flags.resume));
  if (start == Start::kAlreadyDone) return start;
  AHA_RETURN_IF_ERROR(CheckInputs(job));
  AHA_RETURN_IF_ERROR(Claim(run, flags.quiet));
  // The run before may have come to its end meanwhile.
  AHA_ASSIGN_OR_RETURN(start, ExamineDirectory(run, job, flags.resume));
  if (start == Start::kAlreadyDone) return start;
  AHA_RETURN_IF_ERROR(ReplaceFile(run.File("job.yaml"), JobToYaml(job)));
  return start;
}

int LargestLag(const v1::Job& job) {
  uint64_t lag = 0;
  for (const StagePlan& stage : MakePlan(job).stages) {
    lag = std::max(lag, stage.lag);
  }
  return static_cast<int>(lag);
}

SessionOptions MakeSession(const v1::Job& job, const RunDirectory& run,
                           bool resume) {
  SessionOptions session;
  session.job_name = job.name();
  session.resume_command =
      absl::StrCat("ahactl run --resume --dir ", ShellQuote(run.path()));
  SupervisorOptions& options = session.supervisor;
  options.bin_dir = ProgramDirectory();
  options.run_dir = run.path();
  options.job_path = run.File("job.yaml");
  options.reward_replicas = job.cluster().reward_replicas();
  options.cpus.cpus = UsableCpus();
  options.cpus.actors = job.cluster().actors();
  options.cpus.learners = job.cluster().learners();
  options.cpus.threads = job.cluster().threads();
  options.cpus.lag = LargestLag(job);
  options.resume = resume;
  return session;
}

// In the parent: waits until the child says that the cluster is up, or ends.
int AwaitDetached(pid_t child, int fd, const std::string& dir, Output output) {
  char said = 0;
  ssize_t got;
  do {
    got = ::read(fd, &said, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) {
    const std::string quoted = ShellQuote(dir);
    std::string text = absl::StrCat(
        "job runs in the background (supervisor pid ", child, ")\n");
    for (const char* verb : {"watch", "wait", "stop"}) {
      absl::StrAppend(&text, "  ahactl job ", verb, " --dir ", quoted, "\n");
    }
    Print({{"run_directory", dir}, {"supervisor_pid", child}}, text, output);
    return kExitDone;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::fprintf(stderr, "ahactl: the cluster did not start; see %s/logs/\n",
               dir.c_str());
  for (const std::string& line : LogTail(dir + "/logs/supervisor.log", 8)) {
    std::fprintf(stderr, "  | %s\n", OneLine(line).c_str());
  }
  return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status)
                                                       : kExitError;
}

int RunDetached(SessionOptions session) {
  const std::string dir = session.supervisor.run_dir;
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) {
    return Report(absl::ErrnoToStatus(errno, "pipe2"));
  }
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return Report(absl::ErrnoToStatus(errno, "fork"));
  if (child > 0) {
    ::close(ready[1]);
    return AwaitDetached(child, ready[0], dir, session.output);
  }
  ::close(ready[0]);
  ::setsid();
  std::error_code ignored;
  std::filesystem::create_directories(dir + "/logs", ignored);
  const std::string log_path = dir + "/logs/supervisor.log";
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  session.on_up = [fd = ready[1]] {
    (void)!::write(fd, "u", 1);
    ::close(fd);
  };
  const int code = RunSession(std::move(session));
  std::fflush(nullptr);
  ::_exit(code);
}

int Run(const RunFlags& flags, Output output) {
  rpc::ForgetServiceEnvironment();
  const absl::StatusOr<v1::Job> job = Load(flags);
  if (!job.ok()) return Report(job.status());
  const RunDirectory run(DirectoryOf(flags, *job));
  const absl::StatusOr<Start> start = Prepare(run, *job, flags);
  if (!start.ok()) return Report(start.status());
  if (*start == Start::kAlreadyDone) {
    std::fprintf(stderr, "ahactl: job \"%s\" has already succeeded\n",
                 job->name().c_str());
    PrintReport(run, 0, flags.quiet, output);
    return kExitDone;
  }
  SessionOptions session = MakeSession(*job, run, *start == Start::kResume);
  session.quiet = flags.quiet;
  session.output = output;
  if (flags.detach) return RunDetached(std::move(session));
  return RunSession(std::move(session));
}

}  // namespace

void AddRunCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<RunFlags>();
  CLI::App* run = app.add_subcommand("run", "Run a job on this machine");
  run->footer(kExamples);
  run->add_option("JOB", flags->job_path, "Job file (YAML)")->type_name("FILE");
  const auto number = [run](const char* name, std::optional<int>& value,
                            int min, const char* help) {
    run->add_option(name, value, help)
        ->type_name("N")
        ->check(WholeNumber(min, 1024));
  };
  number("--actors", flags->actors, 1, "Rollout actors");
  number("--learners", flags->learners, 1, "Learner ranks");
  number("--reward-replicas", flags->reward_replicas, 1,
         "Reward service replicas");
  number("--threads", flags->threads, 0,
         "Compute threads a process; 0: chosen from the cores");
  run->add_option("--dir", flags->dir, "Run directory [runs/<job name>]")
      ->type_name("DIR");
  AddSetOption(*run, flags->set);
  run->add_flag("--resume", flags->resume, "Continue from the last checkpoint");
  run->add_flag("--detach", flags->detach,
                "Return when the cluster is up; it goes on in the background");
  run->add_flag("--quiet", flags->quiet, "Print only errors and the checksum");
  AddOutputOption(*run, context);
  run->callback([flags, &context] {
    context.action = [flags, &context] {
      return Run(*flags, context.Format());
    };
  });
}

}  // namespace aha::cli
