#include "coordinator/app.h"

#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file_io.h"
#include "base/host_name.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "cluster/servers.h"
#include "coordinator/controller.h"
#include "coordinator/prometheus_targets.h"
#include "coordinator/prompts.h"
#include "coordinator/services.h"
#include "coordinator/state_store.h"
#include "job/file/job.h"
#include "job/identity.h"
#include "rpc/metrics.h"
#include "run/layout.h"
#include "run/processes.h"

namespace aha::coordinator {
namespace {

constexpr absl::Duration kLeaveTime = absl::Seconds(5);
// Time for the running step and its checkpoint.  With kLeaveTime it is within
// the 30 s between SIGTERM and SIGKILL that Kubernetes and Slurm allow by
// default.
constexpr absl::Duration kStopTime = absl::Seconds(20);

// The files that the job names and this process reads must be those that the
// run began with.  The certificates of the members say so of their files.
absl::Status ClaimInputs(const v1::Job& job, bool begun, StateStore& store) {
  AHA_ASSIGN_OR_RETURN(const InputFiles files, MeasurePrompts(job));
  for (const auto& [key, content] : files) {
    const std::string name = absl::StrCat("input ", key);
    AHA_ASSIGN_OR_RETURN(const auto held, store.Get(name));
    if (begun && held.has_value() && *held != content) {
      return absl::FailedPreconditionError(absl::StrCat(
          key, ": this run began with a file of ", *held, ", now it has ",
          content,
          "; put the same file back, or choose another run directory"));
    }
    AHA_RETURN_IF_ERROR(store.Set({{name, content}}));
  }
  return absl::OkStatus();
}

// A damaged database is refused permanently: a restart cannot repair it.
absl::Status Damaged(const std::string& directory, absl::Status status) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::FailedPreconditionError(absl::StrCat(
      "--run-dir: ", directory, ": ", status.message(),
      "; put a copy of the file back, or choose another directory"));
}

// Refuses a run that has checkpoints and a database that knows of none: to
// continue would be to begin again and to write over them.
absl::Status CheckKept(const run::RunWriter& directory) {
  const std::string checkpoints = directory.File(run::kCheckpointsFolder);
  std::error_code error;
  const std::filesystem::directory_iterator it(checkpoints, error);
  if (error || it == std::filesystem::directory_iterator()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      directory.File(run::kDatabaseFile), " is new or was emptied, but ",
      checkpoints,
      " holds checkpoints of an earlier run, which cannot be verified without "
      "it; put a copy of the database back, or choose another directory"));
}

// Claims the directory for this job, or refuses it; returns the new epoch.
absl::StatusOr<uint64_t> Claim(const AppOptions& options,
                               const run::RunWriter& directory,
                               StateStore& store) {
  const std::string fingerprint = ResultFingerprint(options.job).Hex();
  AHA_ASSIGN_OR_RETURN(const auto held, store.Get("fingerprint"));
  AHA_ASSIGN_OR_RETURN(const auto name, store.Get("name"));
  AHA_ASSIGN_OR_RETURN(const auto state, store.Get("state"));
  AHA_ASSIGN_OR_RETURN(const auto last_epoch, store.Get("epoch"));
  AHA_ASSIGN_OR_RETURN(const bool begun, store.HasResults());
  if (options.resume && !held.has_value()) {
    AHA_RETURN_IF_ERROR(CheckKept(directory));
  }
  const bool other = held.has_value() && *held != fingerprint;
  if (other && (begun || options.resume)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--run-dir: ", directory.path(), " holds another job (",
        name.value_or("?"), ", state ", state.value_or("?"),
        "), and the two differ in what decides the result; choose another "
        "directory"));
  }
  if (held.has_value() && begun && !options.resume) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--run-dir: ", directory.path(),
        " holds a run of this job already (state ", state.value_or("?"),
        "); continue it with --resume, or choose another directory"));
  }
  uint64_t epoch = 0;
  if (last_epoch.has_value() && !absl::SimpleAtoi(*last_epoch, &epoch)) {
    return absl::DataLossError(absl::StrCat(run::kDatabaseFile,
                                            ": epoch must be a number, is '",
                                            *last_epoch, "'"));
  }
  ++epoch;
  if (other) {
    AHA_LOG(kInfo) << "the job \"" << name.value_or("?")
                   << "\" has no results here; its directory is taken over";
    AHA_RETURN_IF_ERROR(store.Clear());
  }
  AHA_RETURN_IF_ERROR(ClaimInputs(options.job, begun, store));
  AHA_RETURN_IF_ERROR(store.Set({{"fingerprint", fingerprint},
                                 {"name", options.job.name()},
                                 {"epoch", absl::StrCat(epoch)}}));
  return epoch;
}

absl::StatusOr<bool> Succeeded(const std::string& run_directory) {
  const std::string path = absl::StrCat(run_directory, "/", run::kDatabaseFile);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  // The process was killed before it wrote the summary, or the file is damaged:
  // the run continues from its end and writes the summary.
  const absl::StatusOr<std::string> summary =
      ReadWholeFile(absl::StrCat(run_directory, "/", run::kSummaryFile));
  if (!summary.ok() || !ParseJson<nlohmann::json>(*summary).ok()) return false;
  AHA_ASSIGN_OR_RETURN(const auto store, StateStore::Open(path));
  AHA_ASSIGN_OR_RETURN(const auto state, store->Get("state"));
  AHA_ASSIGN_OR_RETURN(const auto problem, store->Get("problem"));
  // A job that succeeded with a failure text lacks a checkpoint of its last
  // steps.
  return state == StateName(v1::JOB_STATE_SUCCEEDED) &&
         problem.value_or("").empty();
}

}  // namespace

struct App::State {
  rpc::Metrics metrics{"aha-coordinator"};
  JobPlan plan;
  std::unique_ptr<run::RunWriter> directory;
  std::unique_ptr<StateStore> store;
  std::unique_ptr<WeightsStore> weights;
  std::unique_ptr<Controller> controller;
  std::unique_ptr<Services> services;
  rpc::Servers servers;

  Mutex mutex;
  CondVar wake;
  bool interrupted ABSL_GUARDED_BY(mutex) = false;
  absl::Time stop_by ABSL_GUARDED_BY(mutex) = absl::InfiniteFuture();
  bool linger = false;

  bool Lingers() {
    MutexLock lock(mutex);
    return linger && stop_by == absl::InfiniteFuture();
  }
  absl::Status Open(const AppOptions& options);
  absl::Status Serve(const AppOptions& options);
  // Writes where Prometheus finds the present members.
  void ShowTargets();
  std::string shown_targets;
};

absl::Status App::State::Open(const AppOptions& options) {
  plan = MakePlan(options.job);
  Parts parts;
  AHA_ASSIGN_OR_RETURN(parts.prompts, MakePrompts(plan, &parts.data));
  AHA_ASSIGN_OR_RETURN(directory, run::RunWriter::Open(options.run_directory));
  AHA_ASSIGN_OR_RETURN(store,
                       StateStore::Open(directory->File(run::kDatabaseFile)));
  ControllerOptions controlled;
  controlled.standing = !options.runs.empty();
  controlled.job.lingers = linger;
  AHA_ASSIGN_OR_RETURN(controlled.job.epoch,
                       Claim(options, *directory, *store));
  AHA_RETURN_IF_ERROR(
      directory->WriteWhole(run::kJobFile, JobToYaml(options.job)));
  AHA_ASSIGN_OR_RETURN(
      weights, WeightsStore::Open(directory->File(run::kWeightsFolder)));
  parts.plan = &plan;
  parts.directory = directory.get();
  parts.store = store.get();
  parts.weights = weights.get();
  parts.clock = MonotonicClock();
  parts.wall_clock = [] { return absl::Now(); };
  parts.series = Series(metrics, plan);
  AHA_ASSIGN_OR_RETURN(controller,
                       Controller::New(controlled, std::move(parts)));
  return absl::OkStatus();
}

absl::Status App::State::Serve(const AppOptions& options) {
  services = std::make_unique<Services>(
      *controller, *weights,
      options.runs.empty() ? RunArchive(plan.job.name(), directory->path())
                           : RunArchive(options.runs));
  AHA_ASSIGN_OR_RETURN(
      servers, rpc::StartServers(options.flags, metrics, services->All()));
  controller->SetAddress(servers.rpc->address());
  servers.rpc->SetReady(true);
  AHA_RETURN_IF_ERROR(directory->WriteWhole(
      run::kEndpointFile,
      run::EndpointText({.address = servers.rpc->address(),
                         .epoch = controller->epoch(),
                         .pid = getpid(),
                         .host = HostName(),
                         .metrics_address = servers.metrics_address()})));
  AHA_LOG(kInfo) << "serves " << plan.job.name() << " at "
                 << servers.rpc->address() << ", epoch " << controller->epoch();
  return absl::OkStatus();
}

void App::State::ShowTargets() {
  if (servers.metrics == nullptr) return;
  std::string targets = TargetsJson(
      plan.job.name(), servers.metrics_address(),
      controller->Ended() ? std::vector<v1::Member>() : controller->Members());
  if (targets == shown_targets) return;
  // A failed write is logged; nothing here reads the file.
  directory->WriteWhole(run::kTargetsFile, targets).IgnoreError();
  shown_targets = std::move(targets);
}

absl::StatusOr<std::unique_ptr<App>> App::Start(const AppOptions& options) {
  AHA_RETURN_IF_ERROR(
      rpc::CheckAllowed(options.flags.listen, options.flags.security));
  auto state = std::make_unique<State>();
  // A standing coordinator stays in any case, for the next job.
  state->linger = options.flags.linger && options.runs.empty();
  AHA_RETURN_IF_ERROR(Damaged(options.run_directory, state->Open(options)));
  // From here on ~App cleans up.
  std::unique_ptr<App> app(new App(std::move(state)));
  AHA_RETURN_IF_ERROR(app->state_->Serve(options));
  return app;
}

App::App(std::unique_ptr<State> state) : state_(std::move(state)) {}

App::~App() {
  if (state_->services) state_->services->Stop();
  if (state_->servers.rpc) state_->servers.rpc->Shutdown(absl::Seconds(1));
  if (state_->directory) state_->directory->Remove(run::kEndpointFile);
  // Not removed: Prometheus keeps the targets of a file that it cannot read.
  if (!state_->shown_targets.empty()) {
    state_->directory->WriteWhole(run::kTargetsFile, "[]\n").IgnoreError();
  }
}

const std::string& App::address() const {
  return state_->servers.rpc->address();
}
int App::port() const { return state_->servers.rpc->port(); }
bool App::Ended() const { return state_->controller->Ended(); }

void App::Stop(const std::string& why) {
  // FAILED_PRECONDITION means that the job has ended already, which is as good.
  state_->controller->Stop(why).IgnoreError();
  MutexLock lock(state_->mutex);
  state_->stop_by = std::min(state_->stop_by, MonotonicClock()() + kStopTime);
  state_->wake.NotifyAll();
}

void App::Interrupt() {
  MutexLock lock(state_->mutex);
  state_->interrupted = true;
  state_->wake.NotifyAll();
}

void App::Wait() {
  const Clock clock = MonotonicClock();
  std::optional<absl::Time> ended;
  while (true) {
    if (!state_->controller->Ended()) {
      ended.reset();  // It may have been resumed.
    } else if (!ended.has_value()) {
      ended = clock();
    }
    if (ended.has_value() && !state_->Lingers() &&
        (!state_->controller->HasMembers() || clock() - *ended > kLeaveTime)) {
      // Time for the last answers and statuses to go out.
      absl::SleepFor(absl::Milliseconds(200));
      return;
    }
    state_->ShowTargets();
    MutexLock lock(state_->mutex);
    if (state_->interrupted) return;
    if (!ended.has_value() && clock() > state_->stop_by) {
      AHA_LOG(kError) << "no checkpoint came within "
                      << absl::FormatDuration(kStopTime)
                      << " of the stop; the run can continue from the "
                         "checkpoint before";
      return;
    }
    state_->wake.WaitFor(state_->mutex, absl::Milliseconds(100));
    if (state_->interrupted) return;
  }
}

absl::StatusOr<bool> HasSucceeded(const std::string& run_directory) {
  absl::StatusOr<bool> succeeded = Succeeded(run_directory);
  if (!succeeded.ok()) return Damaged(run_directory, succeeded.status());
  return succeeded;
}

}  // namespace aha::coordinator
