// The Coordinator service, for members, and the GroupSink service, for reward
// replicas that deliver groups which this process collects.  Both translate for
// the Controller of the job that this process serves now.
#pragma once

#include <algorithm>
#include <utility>

#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "base/status.h"
#include "coordinator/controller.h"
#include "coordinator/job_slot.h"
#include "coordinator/poller.h"
#include "rpc/access.h"
#include "rpc/finish.h"

namespace aha::coordinator {

class CoordinatorService final : public v1::Coordinator::CallbackService {
 public:
  // `slot` must outlive it.
  explicit CoordinatorService(const JobSlot& slot) : slot_(slot) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override {
    return rpc::Finish(context, [&]() -> absl::Status {
      AHA_RETURN_IF_ERROR(rpc::CheckClaim(*context, RoleName(request->role())));
      const absl::StatusOr<JobSlot::Ref> job = slot_.Get();
      if (absl::IsNotFound(job.status())) {
        return absl::NotFoundError("the cluster waits for a job");
      }
      AHA_RETURN_IF_ERROR(job.status());
      return Store((*job)->controller().Register(*request), response);
    });
  }
  grpc::ServerUnaryReactor* Heartbeat(
      grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
      v1::HeartbeatResponse* response) override {
    return Answer(context, [&](Controller& controller) {
      return Store(controller.Heartbeat(*request), response);
    });
  }
  grpc::ServerWriteReactor<v1::AttendResponse>* Attend(
      grpc::CallbackServerContext*, const v1::AttendRequest* request) override {
    const absl::StatusOr<JobSlot::Ref> job = MembersJob();
    if (!job.ok()) {
      return rpc::Refuse<grpc::ServerWriteReactor<v1::AttendResponse>>(
          job.status());
    }
    return (*job)->attendance().Open(*job, *request);
  }
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const v1::LeaveRequest* request,
                                  v1::LeaveResponse*) override {
    return rpc::Finish(context, [&]() -> absl::Status {
      const absl::StatusOr<JobSlot::Ref> job = slot_.Get();
      if (absl::IsNotFound(job.status())) return absl::OkStatus();
      AHA_RETURN_IF_ERROR(job.status());
      return (*job)->controller().Leave(*request);
    });
  }
  grpc::ServerUnaryReactor* LeaseGroups(
      grpc::CallbackServerContext* context,
      const v1::LeaseGroupsRequest* request,
      v1::LeaseGroupsResponse* response) override {
    return LongPoll(context, request->wait_ms(),
                    [request, response](Controller& controller) {
                      return controller.TryLease(*request, response);
                    });
  }
  grpc::ServerUnaryReactor* CompleteLease(
      grpc::CallbackServerContext* context,
      const v1::CompleteLeaseRequest* request,
      v1::CompleteLeaseResponse*) override {
    return Answer(context, [&](Controller& controller) {
      return controller.CompleteLease(*request);
    });
  }
  grpc::ServerUnaryReactor* NextStage(
      grpc::CallbackServerContext* context, const v1::NextStageRequest* request,
      v1::NextStageResponse* response) override {
    return LongPoll(context, request->wait_ms(),
                    [request, response](Controller& controller) {
                      return controller.TryNextStage(*request, response);
                    });
  }
  grpc::ServerUnaryReactor* BeginStep(
      grpc::CallbackServerContext* context, const v1::BeginStepRequest* request,
      v1::BeginStepResponse* response) override {
    return LongPoll(context, request->wait_ms(),
                    [request, response](Controller& controller) {
                      return controller.TryBeginStep(*request, response);
                    });
  }
  grpc::ServerUnaryReactor* CommitStep(grpc::CallbackServerContext* context,
                                       const v1::CommitStepRequest* request,
                                       v1::CommitStepResponse*) override {
    return Answer(context, [&](Controller& controller) {
      return controller.CommitStep(*request);
    });
  }
  grpc::ServerUnaryReactor* CommitCheckpoint(
      grpc::CallbackServerContext* context,
      const v1::CommitCheckpointRequest* request,
      v1::CommitCheckpointResponse*) override {
    return Answer(context, [&](Controller& controller) {
      return controller.CommitCheckpoint(*request);
    });
  }
  grpc::ServerUnaryReactor* ReportProblem(
      grpc::CallbackServerContext* context,
      const v1::ReportProblemRequest* request,
      v1::ReportProblemResponse*) override {
    return Answer(context, [&](Controller& controller) {
      return controller.ReportProblem(*request);
    });
  }

 private:
  static constexpr uint32_t kLongestWaitMs = 10'000;

  // For calls of a process that was a member.
  absl::StatusOr<JobSlot::Ref> MembersJob() const {
    absl::StatusOr<JobSlot::Ref> job = slot_.Get();
    if (absl::IsNotFound(job.status())) {
      return absl::NotFoundError("the job of this member is over");
    }
    return job;
  }

  template <class Handler>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   Handler handler) {
    return rpc::Finish(context, [&]() -> absl::Status {
      AHA_ASSIGN_OR_RETURN(const JobSlot::Ref job, MembersJob());
      return handler(job->controller());
    });
  }

  template <class Response>
  static absl::Status Store(absl::StatusOr<Response> made, Response* response) {
    if (!made.ok()) return std::move(made).status();
    *response = *std::move(made);
    return absl::OkStatus();
  }

  // Calls `ask` until it answers (true) or fails; false means "not yet".
  // Request and response live until the call is finished.
  template <class Ask>
  grpc::ServerUnaryReactor* LongPoll(grpc::CallbackServerContext* context,
                                     uint32_t wait_ms, Ask ask) {
    const absl::StatusOr<JobSlot::Ref> job = MembersJob();
    if (!job.ok()) return rpc::Finish(context, [&] { return job.status(); });
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    // A plain reference: the attempt belongs to the poller of the same job.
    const auto attempt = [context, reactor, ask,
                          &controller = (*job)->controller()](Attempt which) {
      // The caller is gone; a lease that is given now would be lost.
      if (context->IsCancelled()) {
        reactor->Finish(grpc::Status::CANCELLED);
        return true;
      }
      const absl::StatusOr<bool> answered = ask(controller);
      const bool nothing = answered.ok() && !*answered;
      if (nothing && which == Attempt::kMore) return false;
      // An empty answer means "ask again": while the coordinator stops, callers
      // would do so at once and without end.
      reactor->Finish(nothing && which == Attempt::kStopping
                          ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                         "the coordinator is stopping")
                          : rpc::ToGrpc(answered.status()));
      return true;
    };
    if (attempt(wait_ms == 0 ? Attempt::kLast : Attempt::kMore)) {
      (*job)->poller().Kick();
    } else {
      (*job)->poller().Park(
          absl::Milliseconds(std::min(wait_ms, kLongestWaitMs)), attempt);
    }
    return reactor;
  }

  const JobSlot& slot_;
};

class SinkService final : public v1::GroupSink::CallbackService {
 public:
  // `slot` must outlive it.
  explicit SinkService(const JobSlot& slot) : slot_(slot) {}

  grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context,
                                    const v1::DeliverRequest* request,
                                    v1::DeliverResponse*) override {
    return rpc::Finish(context, [&]() -> absl::Status {
      AHA_ASSIGN_OR_RETURN(const JobSlot::Ref job, slot_.Get());
      return job->controller().Deliver(request->group());
    });
  }

 private:
  const JobSlot& slot_;
};

}  // namespace aha::coordinator
