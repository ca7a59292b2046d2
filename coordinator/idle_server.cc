#include "coordinator/idle_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "base/mutex.h"
#include "base/status.h"
#include "cluster/servers.h"
#include "coordinator/archive_service.h"
#include "metrics/registry.h"

namespace aha::coordinator {
namespace {

// Hands the submission that was accepted to the thread that waits for one.
class PendingJob {
 public:
  PendingJob(Submissions& submissions, std::string failure)
      : submissions_(submissions), failure_(std::move(failure)) {}

  absl::Status Submit(const v1::SubmitJobRequest& request) {
    MutexLock lock(mutex_);
    // The server of that job is about to start; the caller tries again.
    if (accepted_.has_value()) return absl::UnavailableError("a job begins");
    AHA_ASSIGN_OR_RETURN(accepted_,
                         submissions_.Accept(request.job(), request.resume()));
    changed_.NotifyAll();
    return absl::OkStatus();
  }

  absl::Status NoJob() const {
    return absl::NotFoundError(absl::StrCat(
        "the cluster has no job; submit one with `ahactl submit JOB.yaml`",
        failure_.empty() ? "" : "; the last one could not start: ", failure_));
  }

  std::optional<v1::Job> Wait() {
    MutexLock lock(mutex_);
    while (!interrupted_ && !accepted_.has_value()) {
      changed_.WaitFor(mutex_, absl::Seconds(1));
    }
    return interrupted_ ? std::nullopt : accepted_;
  }

  void Interrupt() {
    MutexLock lock(mutex_);
    interrupted_ = true;
    changed_.NotifyAll();
  }

 private:
  Submissions& submissions_;
  const std::string failure_;
  Mutex mutex_;
  CondVar changed_;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<v1::Job> accepted_ ABSL_GUARDED_BY(mutex_);
};

class IdleAdmin final : public ArchiveService {
 public:
  IdleAdmin(PendingJob& pending, const std::string& root)
      : ArchiveService(RunArchive(root)), pending_(pending) {}

  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobResponse*) override {
    return rpc::Finish(context, [&] { return pending_.Submit(*request); });
  }
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest*,
                                     v1::ListJobsResponse* response) override {
    return rpc::Finish(context, [&] {
      for (v1::JobStatus& job : archive().List()) {
        *response->add_jobs() = std::move(job);
      }
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus*) override {
    return NoJob(context);
  }
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest*,
                                     v1::JobStatus*) override {
    return NoJob(context);
  }
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest*,
                                      v1::JobStatus*) override {
    return NoJob(context);
  }
  grpc::ServerUnaryReactor* StopJob(grpc::CallbackServerContext* context,
                                    const v1::StopJobRequest*,
                                    v1::JobStatus*) override {
    return NoJob(context);
  }
  grpc::ServerUnaryReactor* ListMembers(grpc::CallbackServerContext* context,
                                        const v1::ListMembersRequest*,
                                        v1::ListMembersResponse*) override {
    return NoJob(context);
  }
  grpc::ServerUnaryReactor* DrainMember(grpc::CallbackServerContext* context,
                                        const v1::DrainMemberRequest*,
                                        v1::DrainMemberResponse*) override {
    return NoJob(context);
  }
  grpc::ServerWriteReactor<v1::JobStatus>* WatchJob(
      grpc::CallbackServerContext*, const v1::WatchJobRequest*) override {
    class Nothing final : public grpc::ServerWriteReactor<v1::JobStatus> {
     public:
      explicit Nothing(const absl::Status& why) { Finish(rpc::ToGrpc(why)); }
      void OnDone() override { delete this; }
    };
    return new Nothing(pending_.NoJob());
  }

 private:
  grpc::ServerUnaryReactor* NoJob(grpc::CallbackServerContext* context) {
    return rpc::Finish(context, [&] { return pending_.NoJob(); });
  }

  PendingJob& pending_;
};

class IdleCoordinator final : public v1::Coordinator::CallbackService {
 public:
  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest*,
                                     v1::RegisterResponse*) override {
    return rpc::Finish(context, [] {
      return absl::NotFoundError("the cluster waits for a job");
    });
  }
  // From a member of the job before, which has not left yet.
  grpc::ServerUnaryReactor* Heartbeat(grpc::CallbackServerContext* context,
                                      const v1::HeartbeatRequest*,
                                      v1::HeartbeatResponse*) override {
    return rpc::Finish(context, [] {
      return absl::NotFoundError("the job of this member is over");
    });
  }
  grpc::ServerWriteReactor<v1::AttendResponse>* Attend(
      grpc::CallbackServerContext*, const v1::AttendRequest*) override {
    class Nothing final : public grpc::ServerWriteReactor<v1::AttendResponse> {
     public:
      Nothing() {
        Finish(
            rpc::ToGrpc(absl::NotFoundError("the job of this member is over")));
      }
      void OnDone() override { delete this; }
    };
    return new Nothing;
  }
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const v1::LeaveRequest*,
                                  v1::LeaveResponse*) override {
    return rpc::Finish(context, [] { return absl::OkStatus(); });
  }
};

}  // namespace

struct IdleServer::State {
  State(Submissions& submissions, std::string failure)
      : pending(submissions, std::move(failure)),
        admin(pending, submissions.root().path()) {}

  PendingJob pending;
  IdleAdmin admin;
  IdleCoordinator coordinator;
  metrics::Registry metrics{"aha-coordinator"};
  rpc::Servers servers;
};

absl::StatusOr<std::unique_ptr<IdleServer>> IdleServer::Start(
    const rpc::ServiceFlags& flags, Submissions& submissions,
    std::string failure) {
  auto state = std::make_unique<State>(submissions, std::move(failure));
  AHA_ASSIGN_OR_RETURN(state->servers,
                       rpc::StartServers(flags, state->metrics,
                                         {&state->admin, &state->coordinator}));
  state->servers.rpc->SetReady(true);
  return std::unique_ptr<IdleServer>(new IdleServer(std::move(state)));
}

IdleServer::IdleServer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

IdleServer::~IdleServer() {
  // With time for the answer to the submission to go out.
  state_->servers.rpc->Shutdown(absl::Seconds(1));
}

const std::string& IdleServer::address() const {
  return state_->servers.rpc->address();
}
int IdleServer::port() const { return state_->servers.rpc->port(); }

std::optional<v1::Job> IdleServer::Wait() { return state_->pending.Wait(); }
void IdleServer::Interrupt() { state_->pending.Interrupt(); }

}  // namespace aha::coordinator
