// ahactl run: runs a job on this machine.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/local/gpus.h"
#include "cli/local/run_claim.h"
#include "cli/local/run_session.h"
#include "cli/report/report.h"
#include "cli/term/exit_code.h"
#include "cli/term/option_checks.h"
#include "cli/term/text.h"
#include "cluster/service_flags.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "job/inputs.h"
#include "job/plan.h"
#include "job/reward_program.h"
#include "run/feed.h"
#include "run/layout.h"
#include "run/reader.h"

namespace aha::cli {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  ahactl run recipes/quickstart.yaml\n"
    "  ahactl run job.yaml --actors 2 --set seed=7 --dir runs/seed7\n"
    "  ahactl run --resume --dir runs/quickstart    continue after a stop\n"
    "  ahactl run job.yaml --detach                 in the background\n\n"
    "It starts a whole cluster on this machine, supervises it and shows\n"
    "progress.  Ctrl-C stops cleanly with a checkpoint; Ctrl-C again kills at\n"
    "once.  With -o json or yaml, stdout gets summary.json alone and progress\n"
    "goes to stderr.";

struct RunFlags {
  std::string job_path;
  std::optional<int> actors;
  std::optional<int> learners;
  std::optional<int> reward_replicas;
  std::optional<int> threads;
  std::string device = "cpu";
  std::string dir;
  std::vector<std::string> set;
  bool resume = false;
  bool if_needed = false;
  bool detach = false;
  bool quiet = false;
};

// A job and the directory that it shall run in.
struct Request {
  v1::Job job;
  run::RunReader run;
  HeldJob held;  // What the directory holds already.
};

std::vector<std::string> Overrides(const RunFlags& flags) {
  std::vector<std::string> overrides = flags.set;
  const auto add = [&overrides](const char* key, std::optional<int> value) {
    if (value) overrides.push_back(absl::StrCat("cluster.", key, "=", *value));
  };
  add("actors", flags.actors);
  add("learners", flags.learners);
  add("reward_replicas", flags.reward_replicas);
  add("threads", flags.threads);
  return overrides;
}

Wish WishOf(const RunFlags& flags) {
  if (flags.if_needed) return Wish::kWhatIsNeeded;
  return flags.resume ? Wish::kResume : Wish::kNew;
}

// The path of the job file that the flags mean.
absl::StatusOr<std::string> JobPath(const RunFlags& flags) {
  if (!flags.job_path.empty()) return flags.job_path;
  if (!flags.resume || flags.dir.empty()) {
    return absl::InvalidArgumentError(
        "JOB.yaml is missing (only `--resume --dir DIR` needs none)");
  }
  const run::RunReader run(flags.dir);
  if (!run.HoldsRun()) {
    return absl::NotFoundError(
        absl::StrCat("nothing to resume: no run in ", flags.dir,
                     " (it has no job.yaml); give JOB.yaml to start one"));
  }
  return run.File(run::kJobFile);
}

absl::StatusOr<Request> Load(const RunFlags& flags) {
  AHA_ASSIGN_OR_RETURN(const std::string path, JobPath(flags));
  const std::vector<std::string> overrides = Overrides(flags);
  absl::StatusOr<v1::Job> job = LoadJob(path, overrides);
  // A wrong path is a wrong argument, not an unknown job.
  if (absl::IsNotFound(job.status()) && !flags.job_path.empty()) {
    return absl::InvalidArgumentError(job.status().message());
  }
  if (!job.ok()) return job.status();
  const std::string dir = flags.dir.empty() ? "runs/" + job->name() : flags.dir;
  Request request{
      .job = *std::move(job), .run = run::RunReader(dir), .held = {}};
  const bool is_held = flags.job_path.empty() && overrides.empty();
  const absl::StatusOr<v1::Job> held =
      is_held ? request.job : LoadJob(request.run.File(run::kJobFile));
  request.held.status = held.status();
  if (held.ok()) {
    request.held.name = held->name();
    request.held.same_result =
        ResultFingerprint(*held) == ResultFingerprint(request.job);
  }
  if (request.held.same_result) return request;
  // The job in the run directory must mean the same files from everywhere.  A
  // run that began with relative paths keeps them: they are part of its
  // fingerprint.
  MakePathsAbsolute(&request.job);
  request.held.same_result =
      held.ok() && ResultFingerprint(*held) == ResultFingerprint(request.job);
  return request;
}

// Checks everything that can be wrong, then takes the directory and writes the
// job into it.
absl::StatusOr<Start> Prepare(const Request& request, const RunFlags& flags) {
  const run::RunReader& run = request.run;
  AHA_ASSIGN_OR_RETURN(Start start,
                       ExamineDirectory(run, request.held, WishOf(flags)));
  if (start == Start::kAlreadyDone) return start;
  std::vector<std::string> notes;
  AHA_RETURN_IF_ERROR(CheckInputs(request.job, &notes));
  PrintNotes(notes);
  AHA_RETURN_IF_ERROR(ClaimDirectory(run, {.quiet = flags.quiet}));
  // The run before may have come to its end meanwhile.
  AHA_ASSIGN_OR_RETURN(start,
                       ExamineDirectory(run, request.held, WishOf(flags)));
  if (start == Start::kAlreadyDone) return start;
  AHA_RETURN_IF_ERROR(
      ReplaceFile(run.File(run::kNewJobFile), JobToYaml(request.job)));
  return start;
}

int LargestLag(const v1::Job& job) {
  uint64_t lag = 0;
  for (const StagePlan& stage : MakePlan(job).stages) {
    lag = std::max(lag, stage.lag);
  }
  return static_cast<int>(lag);
}

SessionOptions MakeSession(const v1::Job& job, const run::RunReader& run,
                           bool resume) {
  SessionOptions session;
  session.job_name = job.name();
  session.resume_command =
      absl::StrCat("ahactl run --resume --dir ", ShellQuote(run.path()));
  SupervisorOptions& options = session.supervisor;
  options.bin_dir = ProgramDirectory();
  options.run_dir = run.path();
  options.job_path = run.File(run::kNewJobFile);
  // The user of this machine could start the programs without Aha, too.
  options.allowed_commands = ProgramsOf(job);
  options.reward_replicas = job.cluster().reward_replicas();
  options.cpus.cpus = UsableCpus();
  options.cpus.actors = job.cluster().actors();
  options.cpus.learners = job.cluster().learners();
  options.cpus.threads = job.cluster().threads();
  options.cpus.lag = LargestLag(job);
  options.resume = resume;
  return session;
}

std::string SupervisorLog(const std::string& dir) {
  return absl::StrCat(dir, "/", run::kLogsFolder, "/supervisor",
                      run::kLogSuffix);
}

// In the parent: waits until the child reports that the cluster is up, or
// until the child ends.
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
  for (const std::string& line : LogTail(SupervisorLog(dir), 8)) {
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
  const std::filesystem::path log_path = SupervisorLog(dir);
  std::filesystem::create_directories(log_path.parent_path(), ignored);
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

// Starts the same job in a directory that is not used yet.
std::string AgainCommand(const Request& request, const RunFlags& flags) {
  std::string dir;
  for (int i = 2; i < 1000; ++i) {
    dir = absl::StrCat(request.run.path(), "-", i);
    if (!run::RunReader(dir).HoldsResults()) break;
  }
  std::string command = absl::StrCat(
      "ahactl run ",
      ShellQuote(flags.job_path.empty() ? request.run.File(run::kJobFile)
                                        : flags.job_path));
  for (const std::string& override : Overrides(flags)) {
    absl::StrAppend(&command, " --set ", ShellQuote(override));
  }
  return absl::StrCat(command, " --dir ", ShellQuote(dir));
}

int Run(const RunFlags& flags, Output output) {
  rpc::ForgetServiceEnvironment();
  const absl::StatusOr<Request> request = Load(flags);
  if (!request.ok()) return Report(request.status());
  const absl::StatusOr<Start> start = Prepare(*request, flags);
  if (!start.ok()) return Report(start.status());
  if (*start == Start::kAlreadyDone) {
    std::fprintf(stderr,
                 "ahactl: job \"%s\" has already succeeded; this is its "
                 "report. Run it again with `%s`\n",
                 OneLine(request->job.name()).c_str(),
                 AgainCommand(*request, flags).c_str());
    run::FileFeed feed(request->run);
    PrintReport(feed, {.run_dir = request->run.path(),
                       .quiet = flags.quiet,
                       .output = output});
    return kExitDone;
  }
  SessionOptions session =
      MakeSession(request->job, request->run, *start == Start::kResume);
  session.supervisor.device = flags.device;
  session.gpus = GpuText(FindGpus());
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
         "Compute threads of each process; 0: chosen from the cores");
  run->add_option("--device", flags->device,
                  "Device of the actors and the learners; reference is slow "
                  "and defines the results of the others [cpu]")
      ->type_name("cpu|reference")
      ->check(CLI::IsMember({"cpu", "reference"}));
  run->add_option("--dir", flags->dir, "Run directory [runs/<job name>]")
      ->type_name("DIR");
  AddSetOption(*run, flags->set);
  CLI::Option* resume = run->add_flag("--resume", flags->resume,
                                      "Continue from the last checkpoint");
  run->add_flag("--if-needed", flags->if_needed,
                "Start the job, or continue it if it was begun, or show its "
                "report if it has succeeded")
      ->excludes(resume);
  run->add_flag("--detach", flags->detach,
                "Return when the cluster is up and leave it in the background");
  run->add_flag("--quiet", flags->quiet, "Print only errors and the checksum");
  AddOutputOption(*run, context);
  run->callback([flags, &context] {
    context.action = [flags, &context] {
      return Run(*flags, context.Format());
    };
  });
}

}  // namespace aha::cli
