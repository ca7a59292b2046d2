// ahactl job: what ran, what runs, and how to steer it.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/exit_code.h"
#include "cli/follow.h"
#include "cli/screen.h"
#include "cli/table.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(250);

struct JobFlags {
  Target target;
  std::vector<std::string> processes;
  int lines = 20;
  bool follow = false;
  double timeout = 0;  // Seconds; 0: none.
};

int List(const Target& target, Output output) {
  const absl::StatusOr<std::vector<JobView>> found = target.Jobs();
  if (!found.ok()) return Report(found.status());
  const std::vector<JobView>& jobs = *found;
  if (output != Output::kTable) {
    Json list = Json::array();
    for (const JobView& job : jobs) list.push_back(ToJson(job));
    PrintJson(list, output);
    return kExitDone;
  }
  if (jobs.empty()) {
    const std::string text =
        target.Remote()
            ? absl::StrCat("no jobs at ", target.admin.address,
                           "; submit one with `ahactl submit JOB.yaml`")
            : absl::StrCat("no runs below ", target.runs,
                           "/; start one with `ahactl run JOB.yaml`");
    std::printf("%s\n", text.c_str());
    return kExitDone;
  }
  std::fputs(JobTable(jobs).c_str(), stdout);
  return kExitDone;
}

int Get(const Target& target, Output output) {
  const absl::StatusOr<JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  if (output == Output::kTable) {
    std::fputs(JobTable({*view}).c_str(), stdout);
  } else {
    PrintJson(ToJson(*view), output);
  }
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
  const auto here = [&](const std::string& text) {
    return absl::StrReplaceAll(text, {{run.path(), shown}});
  };
  if (output != Output::kTable) {
    const Json described = DescribeJson(*view, members, run);
    PrintJson(Json::parse(here(described.dump(-1, ' ', false,
                                              Json::error_handler_t::replace))),
              output);
    return kExitDone;
  }
  for (const std::string& line :
       DescribeText(*view, members, run, TerminalStyle(STDOUT_FILENO))) {
    std::printf("%s\n", here(line).c_str());
  }
  return kExitDone;
}

int ExitOf(const JobView& job) {
  if (job.state == JobState::kFailed) {
    std::fprintf(stderr, "ahactl: job %s failed: %s\n", job.name.c_str(),
                 job.problem.empty() ? "no reason was given"
                                     : OneLine(job.problem).c_str());
    return kExitJobFailed;
  }
  if (job.state == JobState::kInterrupted) {
    return Report(absl::UnavailableError(absl::StrCat(
        "the processes of job ", job.name, " are gone before its end; go on ",
        "with `ahactl run --resume --dir ", job.run_directory, "`")));
  }
  return kExitDone;
}

int Watch(Target target) {
  target.Follow();
  Screen screen(STDOUT_FILENO);
  Progress progress;
  const Clock clock = MonotonicClock();
  if (!target.Remote()) {
    if (const auto run = target.Run(); run.ok()) {
      progress.Seed(run->ReadCurves());
    }
  }
  while (true) {
    const absl::StatusOr<JobView> view = target.View();
    if (!view.ok()) return Report(view.status());
    const absl::Time now = clock();
    progress.Observe(now, *view);
    if (screen.terminal()) {
      screen.Draw(progress.RenderBlock(now, screen.style()));
    } else {
      for (const std::string& line :
           progress.RenderLines(now, absl::Seconds(2))) {
        screen.Print(line);
      }
    }
    if (IsEndState(view->state)) return ExitOf(*view);
    absl::SleepFor(kPollInterval);
  }
}

int Wait(JobFlags flags) {
  flags.target.Follow();
  const absl::Time deadline = flags.timeout > 0
                                  ? absl::Now() + absl::Seconds(flags.timeout)
                                  : absl::InfiniteFuture();
  while (true) {
    const absl::StatusOr<JobView> view = flags.target.View();
    if (!view.ok()) return Report(view.status());
    if (IsEndState(view->state)) {
      const int code = ExitOf(*view);
      if (code == kExitDone) {
        std::printf("job/%s %s\n", view->name.c_str(),
                    std::string(StateName(view->state)).c_str());
      }
      return code;
    }
    if (absl::Now() > deadline) {
      return Report(absl::DeadlineExceededError(
          absl::StrCat("job ", view->name, " is still ", StateName(view->state),
                       " after ", FormatSeconds(flags.timeout))));
    }
    absl::SleepFor(kPollInterval);
  }
}

// `already`: the state in which nothing changes.
int Steer(const Target& target, JobState already, const char* verbed,
          absl::StatusOr<JobView> (AdminClient::*call)()) {
  const absl::StatusOr<JobView> view = target.View();
  if (!view.ok()) return Report(view.status());
  {
    if (IsEndState(view->state)) {
      if (view->state == already) {
        std::printf("job/%s unchanged\n", view->name.c_str());
        return kExitUnchanged;
      }
      // Processes that are gone cannot be asked; an end cannot be undone.
      const std::string text =
          absl::StrCat("job ", view->name, " is ", StateName(view->state));
      return Report(view->state == JobState::kInterrupted
                        ? absl::UnavailableError(text)
                        : absl::FailedPreconditionError(text));
    }
  }
  const absl::StatusOr<std::unique_ptr<AdminClient>> client = target.Connect();
  if (!client.ok()) return Report(client.status());
  const absl::StatusOr<JobView> before = (*client)->GetJob();
  if (!before.ok()) return Report(before.status());
  if (before->state == already ||
      (already == JobState::kStopped && before->state == JobState::kStopping)) {
    std::printf("job/%s unchanged (%s)\n", before->name.c_str(),
                std::string(StateName(before->state)).c_str());
    return kExitUnchanged;
  }
  const absl::StatusOr<JobView> after = ((**client).*call)();
  if (!after.ok()) return Report(after.status());
  std::printf("job/%s %s\n", after->name.c_str(), verbed);
  return kExitDone;
}

int Logs(const JobFlags& flags) {
  const absl::StatusOr<RunDirectory> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  std::vector<std::string> names = flags.processes;
  const std::vector<std::string> known = run->LogNames();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Report(absl::NotFoundError(
        absl::StrCat("no log of process \"", name, "\" in ", run->File("logs/"),
                     "; there are: ", absl::StrJoin(known, ", "))));
  }
  if (names.empty()) names = known;
  std::vector<FollowedFile> files;
  for (const std::string& name : names) {
    files.push_back({run->File(absl::StrCat("logs/", name, ".log")),
                     names.size() > 1 ? name + " | " : ""});
  }
  return PrintTails(files, flags.lines, flags.follow,
                    [](absl::string_view l) { return Printable(l); });
}

int Events(const JobFlags& flags, Output output) {
  const absl::StatusOr<RunDirectory> run = flags.target.Run();
  if (!run.ok()) return Report(run.status());
  if (output != Output::kTable) {
    const absl::StatusOr<std::vector<Json>> events = run->ReadEvents();
    if (!events.ok()) return Report(events.status());
    PrintJson(Json(*events), output);
    return kExitDone;
  }
  return PrintTails({{run->File("events.jsonl"), ""}}, flags.lines,
                    flags.follow, EventLine);
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
  const auto add = [&](const char* name, const char* help,
                       const std::function<int(const JobFlags&, Output)>& act) {
    const auto flags = std::make_shared<JobFlags>();
    CLI::App* command = job->add_subcommand(name, help);
    const bool list = std::string(name) == "list";
    AddTargetOptions(*command, flags->target,
                     list ? NameArgument::kNone : NameArgument::kJob);
    AddOutputOption(*command, context);
    command->callback([flags, act, &context] {
      context.action = [flags, act, &context] {
        return act(*flags, context.Format());
      };
    });
    return std::make_pair(command, flags);
  };
  add("list", "All runs, live or ended",
      [](const JobFlags& f, Output output) { return List(f.target, output); });
  add("get", "One job in one row",
      [](const JobFlags& f, Output output) { return Get(f.target, output); });
  add("describe", "Everything known about a job",
      [](const JobFlags& f, Output output) {
        return Describe(f.target, output);
      });
  add("watch", "Progress until the job ends",
      [](const JobFlags& f, Output) { return Watch(f.target); });
  add("pause", "Pause between two steps", [](const JobFlags& f, Output) {
    return Steer(f.target, JobState::kPaused, "paused", &AdminClient::PauseJob);
  });
  add("resume", "Go on after a pause", [](const JobFlags& f, Output) {
    return Steer(f.target, JobState::kRunning, "resumed",
                 &AdminClient::ResumeJob);
  });
  add("stop", "End cleanly with a checkpoint", [](const JobFlags& f, Output) {
    return Steer(f.target, JobState::kStopped, "stopping",
                 &AdminClient::StopJob);
  });
  auto [wait, wait_flags] =
      add("wait", "Wait for the end; exit 8 if the job failed",
          [](const JobFlags& f, Output) { return Wait(f); });
  wait->add_option("--timeout", wait_flags->timeout, "Longest wait (exit 7)")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber);
  auto [logs, logs_flags] =
      add("logs", "Logs of the job's processes",
          [](const JobFlags& f, Output) { return Logs(f); });
  logs->add_option("--process", logs_flags->processes,
                   "Only this process, e.g. actor-0; repeatable");
  auto [events, events_flags] =
      add("events", "What happened, in order", Events);
  for (auto [command, flags] : {std::make_pair(logs, logs_flags),
                                std::make_pair(events, events_flags)}) {
    command->add_option("-n,--lines", flags->lines, "Lines from the end")
        ->check(CLI::Range(0, 1000000))
        ->capture_default_str();
    command->add_flag("-f,--follow", flags->follow, "Go on as lines come");
  }
}

}  // namespace aha::cli
