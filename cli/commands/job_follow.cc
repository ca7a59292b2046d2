#include "cli/commands/job_follow.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "cli/report/event_text.h"
#include "cli/report/progress.h"
#include "cli/term/exit_code.h"
#include "cli/term/follow.h"
#include "cli/term/screen.h"
#include "cli/term/text.h"
#include "run/layout.h"

namespace aha::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(250);

int ExitOf(const Target& target, const run::JobView& job) {
  switch (job.state) {
    case run::JobState::kFailed:
      std::fprintf(stderr, "ahactl: job %s failed: %s\n", job.name.c_str(),
                   job.problem.empty() ? "no reason was given"
                                       : OneLine(job.problem).c_str());
      return kExitJobFailed;
    case run::JobState::kStopped:
      std::fprintf(stderr, "ahactl: job %s was stopped before its end; %s\n",
                   job.name.c_str(), HowToContinue(target, job).c_str());
      return kExitInterrupted;
    case run::JobState::kInterrupted:
      return Report(absl::UnavailableError(absl::StrCat(
          "the processes of job ", job.name, " are gone before its end; ",
          HowToContinue(target, job))));
    default:
      return kExitDone;
  }
}

// Prints the lines as one list, or with `follow` each line as it comes.
int PrintTailsAs(Output output, bool follow,
                 const std::vector<FollowedFile>& files, int lines,
                 const std::function<Json(const FollowedFile&,
                                          absl::string_view)>& to_json) {
  Json all = Json::array();
  const int code =
      PrintTails(files, lines, follow,
                 [&](const FollowedFile& file, absl::string_view line) {
                   Json value = to_json(file, line);
                   if (follow) {
                     PrintStreamed(value, output);
                   } else {
                     all.push_back(std::move(value));
                   }
                 });
  if (!follow) Print(all, "", output);
  return code;
}

}  // namespace

std::string HowToContinue(const Target& target, const run::JobView& job) {
  if (target.Remote()) {
    return "continue it with `ahactl submit --resume` if its cluster stands, "
           "else start it again where it ran";
  }
  return absl::StrCat("continue it with `ahactl run --resume --dir ",
                      ShellQuote(job.run_directory), "`");
}

int WatchJob(const Target& target, Output output) {
  const absl::StatusOr<std::unique_ptr<run::JobFeed>> feed =
      target.FollowedFeed();
  if (!feed.ok()) return Report(feed.status());
  Screen screen(STDOUT_FILENO);
  Progress progress(feed->get());
  const Clock clock = MonotonicClock();
  Json printed;
  while (true) {
    const absl::Time now = clock();
    const absl::Status looked = progress.Look(now);
    if (!looked.ok()) return Report(looked);
    if (output != Output::kTable) {
      Json json = ToJson(progress.job());
      if (json != printed) PrintStreamed(json, output);
      printed = std::move(json);
    } else if (screen.terminal()) {
      screen.Draw(progress.RenderBlock(now, screen.style()));
    } else {
      for (const std::string& line : progress.RenderLines(now)) {
        screen.Print(line);
      }
    }
    if (run::IsEndState(progress.job().state)) {
      return ExitOf(target, progress.job());
    }
    absl::SleepFor(kPollInterval);
  }
}

int WaitForJob(const Target& target, double timeout, Output output) {
  const absl::StatusOr<std::unique_ptr<run::JobFeed>> feed =
      target.FollowedFeed();
  if (!feed.ok()) return Report(feed.status());
  const absl::Time deadline = timeout > 0 ? absl::Now() + absl::Seconds(timeout)
                                          : absl::InfiniteFuture();
  while (true) {
    const absl::StatusOr<run::JobView> view = (*feed)->Job();
    if (!view.ok()) return Report(view.status());
    if (run::IsEndState(view->state)) {
      const std::string text =
          absl::StrCat("job/", view->name, " ", StateName(view->state), "\n");
      Print(ToJson(*view), text, output);
      return ExitOf(target, *view);
    }
    if (absl::Now() > deadline) {
      return Report(absl::DeadlineExceededError(
          absl::StrCat("job ", view->name, " is still ", StateName(view->state),
                       " after ", FormatSeconds(timeout))));
    }
    absl::SleepFor(kPollInterval);
  }
}

int PrintLogs(const Target& target, const std::vector<std::string>& processes,
              const TailFlags& flags, Output output) {
  const absl::StatusOr<run::RunReader> run = target.Run();
  if (!run.ok()) return Report(run.status());
  std::vector<std::string> names = processes;
  const std::vector<std::string> known = run->LogNames();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Report(absl::NotFoundError(absl::StrCat(
        "no log of process \"", name, "\" in ", run->File(run::kLogsFolder),
        "/; there are: ", absl::StrJoin(known, ", "))));
  }
  if (names.empty()) names = known;
  std::vector<FollowedFile> files;
  for (const std::string& name : names) {
    files.push_back(
        {run->File(absl::StrCat(run::kLogsFolder, "/", name, run::kLogSuffix)),
         name});
  }
  if (output != Output::kTable) {
    return PrintTailsAs(
        output, flags.follow, files, flags.lines,
        [](const FollowedFile& file, absl::string_view line) {
          return Json{{"process", file.name}, {"line", std::string(line)}};
        });
  }
  const bool named = files.size() > 1;
  return PrintTails(files, flags.lines, flags.follow,
                    [named](const FollowedFile& file, absl::string_view line) {
                      std::printf("%s%s%s\n", named ? file.name.c_str() : "",
                                  named ? " | " : "", Printable(line).c_str());
                    });
}

int PrintEvents(const Target& target, const TailFlags& flags, Output output) {
  const absl::StatusOr<run::RunReader> run = target.Run();
  if (!run.ok()) return Report(run.status());
  const std::vector<FollowedFile> files = {{run->File(run::kEventsFile), ""}};
  if (output != Output::kTable) {
    return PrintTailsAs(
        output, flags.follow, files, flags.lines,
        [](const FollowedFile&, absl::string_view line) {
          const absl::StatusOr<Json> event = ParseStoredJson(line, "");
          return event.ok() ? *event : Json{{"broken", std::string(line)}};
        });
  }
  return PrintTails(files, flags.lines, flags.follow,
                    [](const FollowedFile&, absl::string_view line) {
                      std::printf("%s\n", EventText(line).c_str());
                    });
}

}  // namespace aha::cli
