// aha-coordinator: the authority over a job (app.h), or over one job after
// another (standing.h).
#include <string.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/cancellation.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/standard_streams.h"
#include "base/status.h"
#include "cluster/service_flags.h"
#include "coordinator/app.h"
#include "coordinator/run_claim.h"
#include "coordinator/standing.h"
#include "job/file/job.h"
#include "run/layout.h"

namespace aha::coordinator {
namespace {

// The first SIGTERM or SIGINT stops the job with a checkpoint, a second one
// ends the process at once.
struct Interruption {
  std::atomic<int> signal{0};
  rpc::Cancellation stop;
  rpc::Cancellation at_once;

  void OnSignal(int number) {
    if (stop.cancelled()) return at_once.Cancel();
    signal = number;
    stop.Cancel();
  }
};

absl::Status RunOneJob(AppOptions options, std::string job_path,
                       Interruption& interruption) {
  if (job_path.empty())
    job_path = absl::StrCat(options.run_directory, "/", run::kJobFile);
  absl::StatusOr<v1::Job> job = LoadJob(job_path);
  if (!job.ok()) {
    // INVALID_ARGUMENT, also if the file does not exist: to start again does
    // not help.
    return absl::InvalidArgumentError(job.status().message());
  }
  options.job = *std::move(job);
  if (options.resume) {
    AHA_ASSIGN_OR_RETURN(const bool done, HasSucceeded(options.run_directory));
    if (done) {
      AHA_LOG(kInfo) << "the job has succeeded already; nothing to resume";
      return absl::OkStatus();
    }
  }
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<App> app, App::Start(options));
  const rpc::Cancellation::Registration stop(&interruption.stop, [&] {
    app->Stop(absl::StrCat("the coordinator got SIG",
                           sigabbrev_np(interruption.signal)));
  });
  const rpc::Cancellation::Registration at_once(&interruption.at_once,
                                                [&] { app->Interrupt(); });
  app->Wait();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Interruption interruption;
  const rpc::SignalWatcher signals(
      [&](int number) { interruption.OnSignal(number); });
  AppOptions options;
  std::string job_path;
  std::string runs;
  CLI::App app("The coordinator of one Aha job, or of one after another.",
               "aha-coordinator");
  rpc::AddServiceFlags(app, rpc::DialsCoordinator::kNo, options.flags);
  app.add_option("--job", job_path,
                 "Job file (YAML); job.yaml of the run directory if absent")
      ->envname("AHA_JOB");
  CLI::Option_group* one = app.add_option_group("one of");
  CLI::Option* run_directory =
      one->add_option("--run-dir", options.run_directory,
                      "Directory of the run; made if it does not exist")
          ->envname("AHA_RUN_DIR");
  one->add_option(
         "--runs", runs,
         "Start without a job and run those of `ahactl submit` one after "
         "another, each in a directory below this one")
      ->envname("AHA_RUNS");
  one->require_option(1);
  app.get_option("--job")->needs(run_directory);
  std::vector<std::string> allowed_commands;
  app.add_option("--allow-command", allowed_commands,
                 "With --runs: a program that rewards of submitted jobs may "
                 "name, by its path; repeatable. The reward services have the "
                 "same flag, and only they run it")
      ->type_name("PATH")
      ->envname("AHA_ALLOW_COMMAND")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--resume", options.resume,
               "Continue the run that the directory holds")
      ->envname("AHA_RESUME")
      ->needs(run_directory);
  if (const auto code =
          rpc::ParseServiceFlags(app, argc, argv, options.flags)) {
    return *code;
  }
  return rpc::RunService(
      options.flags, interruption.stop, [&](rpc::Cancellation&) {
        return runs.empty() ? RunOneJob(options, job_path, interruption)
                            : RunStanding(options.flags, runs, allowed_commands,
                                          interruption.stop);
      });
}

}  // namespace
}  // namespace aha::coordinator

// CLI11 throws while flags are added if the flags are wrong: our mistake.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  aha::OpenStandardStreams();
  return aha::coordinator::Main(argc, argv);
}
