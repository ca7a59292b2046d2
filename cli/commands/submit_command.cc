// ahactl submit: gives a standing coordinator its next job.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status.h"
#include "cli/commands/commands.h"
#include "cli/commands/target.h"
#include "cli/term/exit_code.h"
#include "job/file/job.h"

namespace aha::cli {
namespace {

// The longest wait until the coordinator works on the job; it opens the run and
// its prompts before that.
constexpr absl::Duration kBeginTimeout = absl::Seconds(30);

struct SubmitFlags {
  AdminOptions admin;
  std::string job_path;
  std::vector<std::string> set;
  bool resume = false;
};

// A short job may be over already; then it is in the list of jobs.
absl::StatusOr<std::optional<run::JobView>> FindEnded(AdminClient& client,
                                                      const std::string& name) {
  AHA_ASSIGN_OR_RETURN(std::vector<run::JobView> jobs, client.ListJobs());
  for (run::JobView& job : jobs) {
    if (job.name == name && run::IsEndState(job.state) &&
        job.state != run::JobState::kInterrupted) {
      return std::move(job);
    }
  }
  return std::nullopt;
}

// Waits until the coordinator, which took the job, works on it.
absl::StatusOr<run::JobView> AwaitBegin(AdminClient& client,
                                        const std::string& name) {
  const Clock clock = MonotonicClock();
  const absl::Time deadline = clock() + kBeginTimeout;
  while (true) {
    absl::StatusOr<run::JobView> job = client.GetJob();
    if (job.ok() && job->name == name) return job;
    if (absl::IsNotFound(job.status())) {
      AHA_ASSIGN_OR_RETURN(std::optional<run::JobView> ended,
                           FindEnded(client, name));
      if (ended.has_value()) return *std::move(ended);
      // The job could not start: the coordinator has dropped it, and its answer
      // says why.
      if (absl::StrContains(job.status().message(), name + ": ")) {
        return absl::FailedPreconditionError(job.status().message());
      }
    }
    if (clock() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "the coordinator took job ", name, " but did not begin it within ",
          absl::FormatDuration(kBeginTimeout), "; see its log"));
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
}

int Submit(const SubmitFlags& flags, Output output) {
  if (flags.admin.address.empty()) {
    return Report(absl::InvalidArgumentError(
        "which cluster? --address HOST:PORT or AHA_ADDRESS names its "
        "coordinator; `ahactl run` needs none"));
  }
  const absl::StatusOr<v1::Job> job = LoadJob(flags.job_path, flags.set);
  if (!job.ok()) {
    Report(job.status());
    return kExitUsage;
  }
  const absl::StatusOr<std::unique_ptr<AdminClient>> client =
      AdminClient::New(flags.admin);
  if (!client.ok()) return Report(client.status());
  const absl::StatusOr<bool> fresh = (*client)->SubmitJob(*job, flags.resume);
  if (!fresh.ok()) return Report(fresh.status());
  const absl::StatusOr<run::JobView> begun = AwaitBegin(**client, job->name());
  if (!begun.ok()) return Report(begun.status());
  std::string text = absl::StrCat("job/", job->name());
  if (*fresh) {
    absl::StrAppend(&text, " submitted to ", flags.admin.address, "\n");
    for (const char* verb : {"watch", "wait", "stop"}) {
      absl::StrAppend(&text, "  ahactl job ", verb, " ", job->name(),
                      " --address ", flags.admin.address,
                      flags.admin.insecure ? " --insecure\n" : "\n");
    }
  } else {
    absl::StrAppend(&text, " unchanged (", StateName(begun->state), ")\n");
  }
  Print(ToJson(*begun), text, output);
  return *fresh ? kExitDone : kExitUnchanged;
}

}  // namespace

void AddSubmitCommand(CLI::App& app, Context& context) {
  const auto flags = std::make_shared<SubmitFlags>();
  CLI::App* submit =
      app.add_subcommand("submit", "Give a job to a standing cluster");
  submit->footer(
      "A standing cluster is one whose coordinator runs with --runs DIR.  It\n"
      "runs one job at a time.  The files that the job names are those of the "
      "cluster.\n\n"
      "Examples:\n"
      "  ahactl submit job.yaml --address coordinator:7000\n"
      "  ahactl submit job.yaml --set seed=8 --set name=seed8\n"
      "  ahactl submit job.yaml --resume        continue a run that stopped");
  submit->add_option("JOB", flags->job_path, "Job file (YAML)")
      ->type_name("FILE")
      ->required();
  AddSetOption(*submit, flags->set);
  submit->add_flag("--resume", flags->resume,
                   "Continue the run of this job that the cluster holds");
  AddAddressOptions(*submit, flags->admin);
  AddOutputOption(*submit, context);
  submit->callback([flags, &context] {
    context.action = [flags, &context] {
      return Submit(*flags, context.Format());
    };
  });
}

}  // namespace aha::cli
