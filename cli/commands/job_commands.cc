// ahactl job: what ran, what runs, and how to steer it.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/commands/job_follow.h"
#include "cli/exit_code.h"
#include "cli/option_checks.h"
#include "cli/report/describe.h"
#include "cli/report/report.h"
#include "cli/term/screen.h"

namespace aha::cli {
namespace {

struct JobFlags {
  Target target;
  std::vector<std::string> processes;
  TailFlags tail;
  double timeout = 0;  // Seconds; 0: none.
};

Json ToJson(const std::vector<JobView>& jobs) {
  Json list = Json::array();
  for (const JobView& job : jobs) list.push_back(ToJson(job));
  return list;
}

int List(const Target& target, Output output) {
  const absl::StatusOr<std::vector<JobView>> jobs = target.Jobs();
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
  const absl::StatusOr<JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  Print(ToJson(*view), JobTable({*view}), output);
  return kExitDone;
}

int Describe(const Target& target, Output output) {
  const absl::StatusOr<JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  std::vector<MemberView> members;
  if (!IsEndState(view->state)) {
    if (const auto client = target.Connect(); client.ok()) {
      if (auto listed = (*client)->ListMembers(); listed.ok()) {
        members = *std::move(listed);
      }
    }
  }
  const absl::StatusOr<RunDirectory> held = target.Run();
  if (!held.ok()) return Report(held.status());
  const RunDirectory& run = *held;
  // What a remote run's image is called here means nothing to anybody.
  const std::string shown = target.Remote() ? view->run_directory : run.path();
  if (output != Output::kTable) {
    Json described = DescribeJson(*view, members, run);
    ReplaceInTexts(run.path(), shown, &described);
    Print(described, "", output);
    return kExitDone;
  }
  for (const std::string& line :
       DescribeText(*view, members, run, TerminalStyle(STDOUT_FILENO))) {
    std::printf("%s\n",
                absl::StrReplaceAll(line, {{run.path(), shown}}).c_str());
  }
  return kExitDone;
}

// What pause, resume and stop have in common.
struct Steering {
  const char* doing;  // As answered: "stopping".
  const char* done;   // "stopped".
  JobState already;   // In which nothing changes.
  absl::StatusOr<JobView> (AdminClient::*call)();
};

int Unchanged(const JobView& job, Output output) {
  Print(ToJson(job),
        absl::StrCat("job/", job.name, " unchanged (", StateName(job.state),
                     ")\n"),
        output);
  return kExitUnchanged;
}

// A job whose end is known from its files: nobody is left to be asked.
int SteerEnded(const Target& target, const JobView& job,
               const Steering& steering, Output output) {
  if (job.state == steering.already) return Unchanged(job, output);
  if (job.state == JobState::kInterrupted) {
    return Report(absl::UnavailableError(absl::StrCat("the processes of job ",
                                                      job.name, " are gone; ",
                                                      HowToGoOn(target, job))));
  }
  const bool resumable = job.state != JobState::kSucceeded;
  return Report(absl::FailedPreconditionError(absl::StrCat(
      "job ", job.name, " has ended (", StateName(job.state),
      "), so it cannot be ", steering.done,
      resumable ? absl::StrCat("; ", HowToGoOn(target, job)) : "")));
}

int Steer(const Target& target, const Steering& steering, Output output) {
  const absl::StatusOr<JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  // A coordinator that lingers can go on with what was stopped.
  const bool goes_on = steering.already == JobState::kRunning &&
                       view->state == JobState::kStopped;
  if (IsEndState(view->state) && !goes_on)
    return SteerEnded(target, *view, steering, output);
  const absl::StatusOr<std::unique_ptr<AdminClient>> client = target.Connect();
  if (!client.ok()) {
    return goes_on ? SteerEnded(target, *view, steering, output)
                   : Report(client.status());
  }
  const absl::StatusOr<JobView> before = (*client)->GetJob();
  if (!before.ok()) {
    return goes_on ? SteerEnded(target, *view, steering, output)
                   : Report(before.status());
  }
  if (before->state == steering.already ||
      (steering.already == JobState::kStopped &&
       before->state == JobState::kStopping)) {
    return Unchanged(*before, output);
  }
  const absl::StatusOr<JobView> after = ((**client).*steering.call)();
  if (goes_on && absl::IsFailedPrecondition(after.status())) {
    return SteerEnded(target, *view, steering, output);
  }
  if (!after.ok()) return Report(after.status());
  Print(ToJson(*after),
        absl::StrCat("job/", after->name, " ", steering.doing, "\n"), output);
  return kExitDone;
}

constexpr Steering kPause = {"paused", "paused", JobState::kPaused,
                             &AdminClient::PauseJob};
constexpr Steering kResume = {"resumed", "resumed", JobState::kRunning,
                              &AdminClient::ResumeJob};
constexpr Steering kStop = {"stopping", "stopped", JobState::kStopped,
                            &AdminClient::StopJob};

struct JobCommand {
  const char* name;
  const char* help;
  const char* footer;
  int (*act)(const JobFlags&, Output);
};

constexpr JobCommand kCommands[] = {
    {"list", "All runs, live or ended",
     "Examples:\n"
     "  ahactl job list\n"
     "  ahactl job list --runs /data/runs -o json | jq -r '.[].checksum'",
     [](const JobFlags& f, Output o) { return List(f.target, o); }},
    {"get", "One job in one row",
     "Examples:\n"
     "  ahactl job get quickstart\n"
     "  ahactl job get quickstart -o json | jq -r .checksum",
     [](const JobFlags& f, Output o) { return Get(f.target, o); }},
    {"describe", "Everything known about a job",
     "Stages, members, processes, checkpoints and the last events.\n\n"
     "Examples:\n"
     "  ahactl job describe quickstart\n"
     "  ahactl job describe --dir runs/seed7 -o yaml",
     [](const JobFlags& f, Output o) { return Describe(f.target, o); }},
    {"watch", "Progress until the job ends",
     "Ctrl-C ends only the watching.  With -o json a line each time something\n"
     "changed.  Exit codes as for `ahactl job wait`.\n\n"
     "Examples:\n"
     "  ahactl job watch quickstart\n"
     "  ahactl job watch quickstart -o json | jq -c '[.state, .seconds]'",
     [](const JobFlags& f, Output o) { return WatchJob(f.target, o); }},
    {"pause", "Pause between two steps",
     "The running step is finished; `ahactl job resume` goes on.  The result\n"
     "stays the same.  Exit 3 if the job is paused already.\n\n"
     "Examples:\n"
     "  ahactl job pause quickstart",
     [](const JobFlags& f, Output o) { return Steer(f.target, kPause, o); }},
    {"resume", "Go on after a pause",
     "A job that was stopped or killed has no processes that could go on: use\n"
     "`ahactl run --resume --dir DIR`, unless its coordinator was started "
     "with\n"
     "--linger and waits.  Exit 3 if the job runs already.\n\n"
     "Examples:\n"
     "  ahactl job resume quickstart",
     [](const JobFlags& f, Output o) { return Steer(f.target, kResume, o); }},
    {"stop", "End cleanly with a checkpoint",
     "Returns at once; `ahactl job wait` waits for the end (exit 130), and\n"
     "`ahactl run --resume --dir DIR` goes on later, with the same result.\n\n"
     "Examples:\n"
     "  ahactl job stop quickstart; ahactl job wait quickstart",
     [](const JobFlags& f, Output o) { return Steer(f.target, kStop, o); }},
    {"wait", "Wait for the end; exit 8 if the job failed",
     "Exit codes: 0 succeeded, 8 failed, 130 stopped before its end, 7 its\n"
     "processes are gone or --timeout passed.\n\n"
     "Examples:\n"
     "  ahactl job wait --dir runs/seed7 && echo it worked\n"
     "  ahactl job wait quickstart --timeout 600 -o json",
     [](const JobFlags& f, Output o) {
       return WaitForJob(f.target, f.timeout, o);
     }},
    {"logs", "Logs of the job's processes",
     "Examples:\n"
     "  ahactl job logs quickstart\n"
     "  ahactl job logs quickstart --process actor-0 --process learner-0 -f\n"
     "  ahactl job logs quickstart -n 100 -o json",
     [](const JobFlags& f, Output o) {
       return PrintLogs(f.target, f.processes, f.tail, o);
     }},
    {"events", "What happened, in order",
     "Members that joined and were lost, leases that expired, checkpoints,\n"
     "pauses, restarts.\n\n"
     "Examples:\n"
     "  ahactl job events quickstart -n 50\n"
     "  ahactl job events quickstart -f -o json",
     [](const JobFlags& f, Output o) {
       return PrintEvents(f.target, f.tail, o);
     }},
};

void AddOwnOptions(CLI::App& command, JobFlags& flags) {
  const std::string& name = command.get_name();
  if (name == "wait") {
    command.add_option("--timeout", flags.timeout, "Longest wait (exit 7)")
        ->type_name("SECONDS")
        ->check(Duration());
  }
  if (name == "logs") {
    command
        .add_option("--process", flags.processes,
                    "Only this process, e.g. actor-0; repeatable")
        ->type_name("NAME")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  if (name == "logs" || name == "events") {
    command.add_option("-n,--lines", flags.tail.lines, "Lines from the end")
        ->type_name("N")
        ->check(WholeNumber(0, 1000000))
        ->capture_default_str();
    command.add_flag("-f,--follow", flags.tail.follow, "Go on as lines come");
  }
}

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
    AddTargetOptions(*command, flags->target,
                     declared.act == kCommands[0].act ? Selects::kAllJobs
                                                      : Selects::kNamedJob);
    AddOutputOption(*command, context);
    AddOwnOptions(*command, *flags);
    command->callback([flags, act = declared.act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
  }
}

}  // namespace aha::cli
