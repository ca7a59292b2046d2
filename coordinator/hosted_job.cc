#include "coordinator/hosted_job.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/host_name.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/prometheus_targets.h"
#include "coordinator/prompts.h"
#include "coordinator/run_claim.h"
#include "job/file/job.h"
#include "run/layout.h"
#include "run/processes.h"

namespace aha::coordinator {
namespace {

constexpr absl::Duration kLeaveTime = absl::Seconds(5);
// Time for the running step and its checkpoint.  With kLeaveTime it is within
// the 30 s between SIGTERM and SIGKILL that Kubernetes and Slurm allow by
// default.
constexpr absl::Duration kStopTime = absl::Seconds(20);
// Between two calls of Tick, and at least between two statuses of a watch.
constexpr absl::Duration kInterval = absl::Milliseconds(100);
// In these intervals.  Seconds and rates in a status move without a change.
constexpr int kPushAtLeastEvery = 10;

}  // namespace

absl::StatusOr<std::unique_ptr<HostedJob>> HostedJob::Open(
    HostedJobOptions options) {
  std::unique_ptr<HostedJob> job(new HostedJob(std::move(options)));
  AHA_RETURN_IF_ERROR(ExplainDamage(job->options_.run_directory, job->Load()));
  return job;
}

absl::Status HostedJob::Load() {
  plan_ = MakePlan(options_.job);
  Parts parts;
  AHA_ASSIGN_OR_RETURN(parts.prompts, MakePrompts(plan_, &parts.data));
  AHA_ASSIGN_OR_RETURN(directory_,
                       run::RunWriter::Open(options_.run_directory));
  AHA_ASSIGN_OR_RETURN(store_,
                       StateStore::Open(directory_->File(run::kDatabaseFile)));
  ControllerOptions controlled;
  controlled.standing = options_.standing;
  controlled.job.lingers = options_.lingers;
  AHA_ASSIGN_OR_RETURN(
      controlled.job.epoch,
      ClaimRun(options_.job, options_.resume, *directory_, *store_));
  // A member of an earlier job of this process may still call.
  controlled.first_member_id =
      static_cast<uint64_t>(absl::ToUnixMicros(absl::Now()));
  AHA_RETURN_IF_ERROR(
      directory_->WriteWhole(run::kJobFile, JobToYaml(options_.job)));
  AHA_ASSIGN_OR_RETURN(
      weights_, WeightsStore::Open(directory_->File(run::kWeightsFolder)));
  parts.plan = &plan_;
  parts.directory = directory_.get();
  parts.store = store_.get();
  parts.weights = weights_.get();
  parts.clock = MonotonicClock();
  parts.wall_clock = [] { return absl::Now(); };
  parts.series = Series(metrics_, plan_);
  AHA_ASSIGN_OR_RETURN(controller_,
                       Controller::New(controlled, std::move(parts)));
  attendance_ = std::make_unique<Attendance>(*controller_);
  watches_ = std::make_unique<Watches>(*controller_);
  return absl::OkStatus();
}

HostedJob::~HostedJob() { Close(); }

absl::Status HostedJob::Begin(const std::string& address,
                              const std::string& metrics_address) {
  metrics_address_ = metrics_address;
  controller_->SetAddress(address);
  recovery_ = std::make_unique<Poller>(
      kInterval, [this](bool) { controller_->Recover(); });
  poller_ = std::make_unique<Poller>(kInterval,
                                     [this](bool changed) { Tick(changed); });
  controller_->SetListener([this] {
    poller_->Kick();
    recovery_->Kick();
  });
  AHA_LOG(kInfo) << "serves " << plan_.job.name() << " at " << address
                 << ", epoch " << controller_->epoch();
  return directory_->WriteWhole(
      run::kEndpointFile,
      run::EndpointText({.address = address,
                         .epoch = controller_->epoch(),
                         .pid = getpid(),
                         .host = HostName(),
                         .metrics_address = metrics_address}));
}

void HostedJob::Tick(bool changed) {
  controller_->Tick();
  quiet_ticks_ = changed ? 0 : quiet_ticks_ + 1;
  if (quiet_ticks_ % kPushAtLeastEvery == 0) watches_->Push();
}

void HostedJob::Close() {
  if (poller_ == nullptr) return;  // It did not begin.
  controller_->SetListener(nullptr);
  poller_->Stop();
  watches_->Stop();
  attendance_->Stop();
  transfers_.CancelAll();
  recovery_->Stop();
  directory_->Remove(run::kEndpointFile);
  // Not removed: Prometheus keeps the targets of a file that it cannot read.
  if (!std::exchange(written_targets_, "").empty()) {
    directory_->WriteWhole(run::kTargetsFile, "[]\n").IgnoreError();
  }
}

void HostedJob::WriteTargets() {
  if (metrics_address_.empty()) return;
  std::string targets =
      TargetsJson(plan_.job.name(), metrics_address_,
                  controller_->Ended() ? std::vector<v1::Member>()
                                       : controller_->Members());
  if (targets == written_targets_) return;
  // A failed write is logged; nothing here reads the file.
  directory_->WriteWhole(run::kTargetsFile, targets).IgnoreError();
  written_targets_ = std::move(targets);
}

bool HostedJob::Lingers() {
  MutexLock lock(mutex_);
  return options_.lingers && stop_by_ == absl::InfiniteFuture();
}

void HostedJob::Stop(const std::string& why) {
  // FAILED_PRECONDITION means that the job has ended already, which is as good.
  controller_->Stop(why).IgnoreError();
  MutexLock lock(mutex_);
  stop_by_ = std::min(stop_by_, MonotonicClock()() + kStopTime);
  wake_.NotifyAll();
}

void HostedJob::Interrupt() {
  MutexLock lock(mutex_);
  interrupted_ = true;
  wake_.NotifyAll();
}

void HostedJob::Wait() {
  const Clock clock = MonotonicClock();
  std::optional<absl::Time> ended;
  while (true) {
    if (!controller_->Ended()) {
      ended.reset();  // It may have been resumed.
    } else if (!ended.has_value()) {
      ended = clock();
    }
    if (ended.has_value() && !Lingers() &&
        (!controller_->HasMembers() || clock() - *ended > kLeaveTime)) {
      // Time for the last answers and statuses to go out.
      absl::SleepFor(absl::Milliseconds(200));
      return;
    }
    WriteTargets();
    MutexLock lock(mutex_);
    if (interrupted_) return;
    if (!ended.has_value() && clock() > stop_by_) {
      AHA_LOG(kError) << "no checkpoint came within "
                      << absl::FormatDuration(kStopTime)
                      << " of the stop; the run can continue from the "
                         "checkpoint before";
      return;
    }
    wake_.WaitFor(mutex_, absl::Milliseconds(100));
    if (interrupted_) return;
  }
}

}  // namespace aha::coordinator
