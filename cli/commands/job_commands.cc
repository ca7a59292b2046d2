// ahactl job: shows the jobs that ran or run, and steers them.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/commands/job_follow.h"
#include "cli/commands/target.h"
#include "cli/report/describe.h"
#include "cli/term/exit_code.h"
#include "cli/term/option_checks.h"
#include "cli/term/style.h"
#include "cli/term/text.h"

namespace aha::cli {
namespace {

struct JobFlags {
  Target target;
  std::vector<std::string> processes;
  TailFlags tail;
  double timeout = 0;  // Seconds; 0: none.
};

Json ToJson(const std::vector<run::JobView>& jobs) {
  Json list = Json::array();
  for (const run::JobView& job : jobs) list.push_back(ToJson(job));
  return list;
}

int List(const Target& target, Output output) {
  const absl::StatusOr<std::vector<run::JobView>> jobs = target.Jobs();
  if (!jobs.ok()) return Report(jobs.status());
  const std::string none =
      target.Remote()
          ? absl::StrCat("no jobs at ", target.admin.address,
                         "; submit one with `ahactl submit JOB.yaml`\n")
          : absl::StrCat("no runs below ", target.runs,
                         "/; start one with `ahactl run JOB.yaml`\n");
  Print(ToJson(*jobs), jobs->empty() ? none : JobTable(*jobs), output);
  return kExitDone;
}

int Get(const Target& target, Output output) {
  const absl::StatusOr<run::JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  Print(ToJson(*view), JobTable({*view}), output);
  return kExitDone;
}

int Describe(const Target& target, Output output) {
  // A feed leaves out files that cannot be had; here that is an error.
  const absl::StatusOr<run::RunReader> run = target.Run();
  if (!run.ok()) return Report(run.status());
  const absl::StatusOr<std::unique_ptr<run::JobFeed>> feed = target.Feed();
  if (!feed.ok()) return Report(feed.status());
  if (output != Output::kTable) {
    const absl::StatusOr<Json> described = DescribeJson(**feed);
    if (!described.ok()) return Report(described.status());
    Print(*described, "", output);
    return kExitDone;
  }
  const absl::StatusOr<std::vector<std::string>> lines =
      DescribeText(**feed, TerminalStyle(STDOUT_FILENO));
  if (!lines.ok()) return Report(lines.status());
  for (const std::string& line : *lines) std::printf("%s\n", line.c_str());
  return kExitDone;
}

// What pause, resume and stop have in common.
struct Steering {
  const char* doing;      // The printed word: "stopping".
  const char* done;       // "stopped".
  run::JobState already;  // The state in which nothing changes.
  absl::StatusOr<run::JobView> (AdminClient::*call)();
};

int Unchanged(const run::JobView& job, Output output) {
  Print(ToJson(job),
        absl::StrCat("job/", job.name, " unchanged (", StateName(job.state),
                     ")\n"),
        output);
  return kExitUnchanged;
}

// For a job whose end is known from its files, so no process is asked.
int SteerEnded(const Target& target, const run::JobView& job,
               const Steering& steering, Output output) {
  if (job.state == steering.already) return Unchanged(job, output);
  if (job.state == run::JobState::kInterrupted) {
    return Report(absl::UnavailableError(
        absl::StrCat("the processes of job ", job.name, " are gone; ",
                     HowToContinue(target, job))));
  }
  const bool resumable = job.state != run::JobState::kSucceeded;
  return Report(absl::FailedPreconditionError(absl::StrCat(
      "job ", job.name, " has ended (", StateName(job.state),
      "), so it cannot be ", steering.done,
      resumable ? absl::StrCat("; ", HowToContinue(target, job)) : "")));
}

int Steer(const Target& target, const Steering& steering, Output output) {
  const absl::StatusOr<run::JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  // A coordinator that lingers can continue a job that was stopped.
  const bool can_resume = steering.already == run::JobState::kRunning &&
                          view->state == run::JobState::kStopped;
  if (run::IsEndState(view->state) && !can_resume)
    return SteerEnded(target, *view, steering, output);
  const absl::StatusOr<std::unique_ptr<AdminClient>> client = target.Connect();
  if (!client.ok()) {
    return can_resume ? SteerEnded(target, *view, steering, output)
                      : Report(client.status());
  }
  const absl::StatusOr<run::JobView> before = (*client)->GetJob();
  if (!before.ok()) {
    return can_resume ? SteerEnded(target, *view, steering, output)
                      : Report(before.status());
  }
  if (before->state == steering.already ||
      (steering.already == run::JobState::kStopped &&
       before->state == run::JobState::kStopping)) {
    return Unchanged(*before, output);
  }
  const absl::StatusOr<run::JobView> after = ((**client).*steering.call)();
  if (can_resume && absl::IsFailedPrecondition(after.status())) {
    return SteerEnded(target, *view, steering, output);
  }
  if (!after.ok()) return Report(after.status());
  Print(ToJson(*after),
        absl::StrCat("job/", after->name, " ", steering.doing, "\n"), output);
  return kExitDone;
}

constexpr Steering kPause = {"paused", "paused", run::JobState::kPaused,
                             &AdminClient::PauseJob};
constexpr Steering kResume = {"resumed", "resumed", run::JobState::kRunning,
                              &AdminClient::ResumeJob};
constexpr Steering kStop = {"stopping", "stopped", run::JobState::kStopped,
                            &AdminClient::StopJob};

struct JobCommand {
  const char* name;
  const char* help;
  const char* footer;
  int (*act)(const JobFlags&, Output);
  Selects selects = Selects::kNamedJob;
  // Declares the options that other commands do not have.
  void (*add_options)(CLI::App& command, JobFlags& flags) = nullptr;
};

void AddTimeoutOption(CLI::App& command, JobFlags& flags) {
  command
      .add_option("--timeout", flags.timeout,
                  "Give up after this time, with exit code 7; default: never")
      ->type_name("SECONDS")
      ->check(Duration());
}

void AddTailOptions(CLI::App& command, JobFlags& flags) {
  command.add_option("-n,--lines", flags.tail.lines, "Lines from the end")
      ->type_name("N")
      ->check(WholeNumber(0, 1000000))
      ->capture_default_str();
  command.add_flag("-f,--follow", flags.tail.follow,
                   "Print new lines as they come");
}

void AddLogOptions(CLI::App& command, JobFlags& flags) {
  command
      .add_option("--process", flags.processes,
                  "Only this process, e.g. actor-0; repeatable")
      ->type_name("PROCESS")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  AddTailOptions(command, flags);
}

constexpr JobCommand kCommands[] = {
    {.name = "list",
     .help = "List all runs, live or ended",
     .footer = "Examples:\n"
               "  ahactl job list\n"
               "  ahactl job list --runs /data/runs -o json | jq -r "
               "'.[].checksum'",
     .act = [](const JobFlags& f, Output o) { return List(f.target, o); },
     .selects = Selects::kAllJobs},
    {.name = "get",
     .help = "Show one job in one row",
     .footer = "Examples:\n"
               "  ahactl job get quickstart\n"
               "  ahactl job get quickstart -o json | jq -r .checksum",
     .act = [](const JobFlags& f, Output o) { return Get(f.target, o); }},
    {.name = "describe",
     .help = "Show everything that is known of a job",
     .footer = "It shows stages, members, processes, checkpoints and the last "
               "events.\n\n"
               "Examples:\n"
               "  ahactl job describe quickstart\n"
               "  ahactl job describe --dir runs/seed7 -o yaml",
     .act = [](const JobFlags& f, Output o) { return Describe(f.target, o); }},
    {.name = "watch",
     .help = "Show progress until the job ends",
     .footer =
         "Ctrl-C ends only the watching.  With -o json it prints a line at "
         "each\n"
         "change.  The exit codes are those of `ahactl job wait`.\n\n"
         "Examples:\n"
         "  ahactl job watch quickstart\n"
         "  ahactl job watch quickstart -o json | jq -c '[.state, .seconds]'",
     .act = [](const JobFlags& f, Output o) { return WatchJob(f.target, o); }},
    {.name = "pause",
     .help = "Pause between two steps",
     .footer =
         "The running step is finished; `ahactl job resume` continues.  The\n"
         "result stays the same.  Exit 3 if the job is paused already.\n\n"
         "Examples:\n"
         "  ahactl job pause quickstart",
     .act = [](const JobFlags& f,
               Output o) { return Steer(f.target, kPause, o); }},
    {.name = "resume",
     .help = "Continue after a pause",
     .footer =
         "A job that was stopped or killed has no processes that could "
         "continue:\n"
         "use `ahactl run --resume --dir DIR`, unless its coordinator was "
         "started\n"
         "with --linger and waits.  Exit 3 if the job runs already.\n\n"
         "Examples:\n"
         "  ahactl job resume quickstart",
     .act = [](const JobFlags& f,
               Output o) { return Steer(f.target, kResume, o); }},
    {.name = "stop",
     .help = "End cleanly with a checkpoint",
     .footer =
         "It returns at once; `ahactl job wait` waits for the end (exit 130), "
         "and\n"
         "`ahactl run --resume --dir DIR` continues later, with the same "
         "result.\n\n"
         "Examples:\n"
         "  ahactl job stop quickstart; ahactl job wait quickstart",
     .act = [](const JobFlags& f,
               Output o) { return Steer(f.target, kStop, o); }},
    {.name = "wait",
     .help = "Wait for the end; exit 8 if the job failed",
     .footer =
         "Exit codes: 0 succeeded, 8 failed, 130 stopped before its end, 7 "
         "its\n"
         "processes are gone or --timeout passed.\n\n"
         "Examples:\n"
         "  ahactl job wait --dir runs/seed7 && echo it worked\n"
         "  ahactl job wait quickstart --timeout 600 -o json",
     .act = [](const JobFlags& f,
               Output o) { return WaitForJob(f.target, f.timeout, o); },
     .add_options = AddTimeoutOption},
    {.name = "logs",
     .help = "Print the logs of the job's processes",
     .footer =
         "Examples:\n"
         "  ahactl job logs quickstart\n"
         "  ahactl job logs quickstart --process actor-0 --process learner-0 "
         "-f\n"
         "  ahactl job logs quickstart -n 100 -o json",
     .act =
         [](const JobFlags& f, Output o) {
           return PrintLogs(f.target, f.processes, f.tail, o);
         },
     .add_options = AddLogOptions},
    {.name = "events",
     .help = "Print what happened, in order",
     .footer = "Members that joined and were lost, leases that expired, "
               "checkpoints,\n"
               "pauses, restarts.\n\n"
               "Examples:\n"
               "  ahactl job events quickstart -n 50\n"
               "  ahactl job events quickstart -f -o json",
     .act = [](const JobFlags& f,
               Output o) { return PrintEvents(f.target, f.tail, o); },
     .add_options = AddTailOptions},
};

}  // namespace

void AddJobCommands(CLI::App& app, Context& context) {
  CLI::App* job = app.add_subcommand("job", "See and steer jobs");
  job->footer(
      "Examples:\n"
      "  ahactl job list\n"
      "  ahactl job describe quickstart\n"
      "  ahactl job pause quickstart && ahactl job resume quickstart\n"
      "  ahactl job logs quickstart --process actor-0 -f\n"
      "  ahactl job wait --dir runs/seed7 && echo it worked");
  job->require_subcommand(1);
  for (const JobCommand& declared : kCommands) {
    const auto flags = std::make_shared<JobFlags>();
    CLI::App* command = job->add_subcommand(declared.name, declared.help);
    command->footer(declared.footer);
    AddTargetOptions(*command, flags->target, declared.selects);
    AddOutputOption(*command, context);
    if (declared.add_options != nullptr) {
      declared.add_options(*command, *flags);
    }
    command->callback([flags, act = declared.act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
  }
}

}  // namespace aha::cli
