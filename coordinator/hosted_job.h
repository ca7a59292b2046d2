// One job as a coordinator process serves it: its run directory, its state in
// storage, its weights, its Controller, and the calls and streams of its
// members that are open.
//
//   AHA_ASSIGN_OR_RETURN(std::unique_ptr<HostedJob> job,
//                        HostedJob::Open(options));
//   HostedJob& hosted = host->Install(std::move(job));  // Begin, then serve.
//   hosted.Wait();              // Another thread may call Stop or Interrupt.
//   host->Remove(why);          // Close, then destroy.
//
// Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "aha/v1/job.pb.h"
#include "base/mutex.h"
#include "coordinator/attendance.h"
#include "coordinator/controller.h"
#include "coordinator/open_transfers.h"
#include "coordinator/poller.h"
#include "coordinator/state_store.h"
#include "coordinator/watches.h"
#include "coordinator/weights_store.h"
#include "job/plan.h"
#include "metrics/registry.h"
#include "run/writer.h"

namespace aha::coordinator {

struct HostedJobOptions {
  v1::Job job;  // Resolved.
  std::string run_directory;
  bool resume = false;
  // The job can still be looked at, and resumed, after its end
  // (JobRunOptions::lingers).
  bool lingers = false;
  bool standing = false;  // See ControllerOptions.
};

class HostedJob {
 public:
  // Claims the run directory and finds the position of the job.
  // FAILED_PRECONDITION: as ClaimRun, or another coordinator uses the
  // directory, or its database is damaged or of another schema version.
  static absl::StatusOr<std::unique_ptr<HostedJob>> Open(
      HostedJobOptions options);
  ~HostedJob();  // Calls Close.
  HostedJob(const HostedJob&) = delete;
  HostedJob& operator=(const HostedJob&) = delete;

  // Begins to look at deadlines, and writes endpoint.json with the addresses
  // at which the process serves.  Called once, before calls arrive.
  absl::Status Begin(const std::string& address,
                     const std::string& metrics_address);
  // Answers every call that waits, ends every stream, and removes
  // endpoint.json.  Idempotent.
  void Close();

  bool Ended() { return controller_->Ended(); }
  // Returns when the job has ended and its members have left (or 5 s later),
  // 20 s after Stop, or at Interrupt.  A job that lingers stays after its end
  // until Stop.
  void Wait();
  // Stops the job with a checkpoint; it can be resumed later.  `why` is
  // recorded as the reason.
  void Stop(const std::string& why);
  // Ends Wait at once.
  void Interrupt();

  // For the gRPC services.
  Controller& controller() { return *controller_; }
  WeightsStore& weights() { return *weights_; }
  Poller& poller() { return *poller_; }  // REQUIRES: Begin was called.
  Attendance& attendance() { return *attendance_; }
  Watches& watches() { return *watches_; }
  OpenTransfers& transfers() { return transfers_; }
  // The series of this job; an endpoint that shows them drops them with it.
  const metrics::Registry& metrics() const { return metrics_; }

 private:
  explicit HostedJob(HostedJobOptions options) : options_(std::move(options)) {}
  absl::Status Load();
  void Tick(bool changed);
  // Writes where Prometheus finds the present members.
  void WriteTargets();
  bool Lingers() ABSL_LOCKS_EXCLUDED(mutex_);

  const HostedJobOptions options_;
  metrics::Registry metrics_;
  JobPlan plan_;
  std::unique_ptr<run::RunWriter> directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<WeightsStore> weights_;
  std::unique_ptr<Controller> controller_;

  OpenTransfers transfers_;
  std::unique_ptr<Attendance> attendance_;
  std::unique_ptr<Watches> watches_;
  int quiet_ticks_ = 0;  // Since the last change; used by the poller's thread.
  std::unique_ptr<Poller> recovery_;  // Its thread may be busy for long.
  std::unique_ptr<Poller> poller_;

  std::string metrics_address_;  // "" without an endpoint.
  std::string written_targets_;  // Used by the thread in Wait.

  Mutex mutex_;
  CondVar wake_;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time stop_by_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
};

}  // namespace aha::coordinator
