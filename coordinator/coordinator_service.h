// The Coordinator service, for members, and the GroupSink service, for reward
// replicas that deliver groups which this process collects.  Both translate for
// the Controller.  Internal to services.cc.
#pragma once

#include <algorithm>
#include <memory>

#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "base/status.h"
#include "coordinator/attendance.h"
#include "coordinator/controller.h"
#include "coordinator/poller.h"
#include "rpc/access.h"
#include "rpc/finish.h"

namespace aha::coordinator {

class CoordinatorService final : public v1::Coordinator::CallbackService {
 public:
  CoordinatorService(Controller& controller, Poller& poller,
                     Attendance& attendance)
      : controller_(controller), poller_(poller), attendance_(attendance) {}

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override {
    return rpc::Finish(context, [&]() -> absl::Status {
      AHA_RETURN_IF_ERROR(rpc::CheckClaim(*context, RoleName(request->role())));
      return Store(controller_.Register(*request), response);
    });
  }
  grpc::ServerUnaryReactor* Heartbeat(
      grpc::CallbackServerContext* context, const v1::HeartbeatRequest* request,
      v1::HeartbeatResponse* response) override {
    return rpc::Finish(context, [&] {
      return Store(controller_.Heartbeat(*request), response);
    });
  }
  grpc::ServerWriteReactor<v1::AttendResponse>* Attend(
      grpc::CallbackServerContext*, const v1::AttendRequest* request) override {
    return attendance_.Open(*request);
  }
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const v1::LeaveRequest* request,
                                  v1::LeaveResponse*) override {
    return rpc::Finish(context, [&] { return controller_.Leave(*request); });
  }
  grpc::ServerUnaryReactor* LeaseGroups(
      grpc::CallbackServerContext* context,
      const v1::LeaseGroupsRequest* request,
      v1::LeaseGroupsResponse* response) override {
    return LongPoll(context, request->wait_ms(), [this, request, response] {
      return controller_.TryLease(*request, response);
    });
  }
  grpc::ServerUnaryReactor* CompleteLease(
      grpc::CallbackServerContext* context,
      const v1::CompleteLeaseRequest* request,
      v1::CompleteLeaseResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.CompleteLease(*request); });
  }
  grpc::ServerUnaryReactor* NextStage(
      grpc::CallbackServerContext* context, const v1::NextStageRequest* request,
      v1::NextStageResponse* response) override {
    return LongPoll(context, request->wait_ms(), [this, request, response] {
      return controller_.TryNextStage(*request, response);
    });
  }
  grpc::ServerUnaryReactor* BeginStep(
      grpc::CallbackServerContext* context, const v1::BeginStepRequest* request,
      v1::BeginStepResponse* response) override {
    return LongPoll(context, request->wait_ms(), [this, request, response] {
      return controller_.TryBeginStep(*request, response);
    });
  }
  grpc::ServerUnaryReactor* CommitStep(grpc::CallbackServerContext* context,
                                       const v1::CommitStepRequest* request,
                                       v1::CommitStepResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.CommitStep(*request); });
  }
  grpc::ServerUnaryReactor* CommitCheckpoint(
      grpc::CallbackServerContext* context,
      const v1::CommitCheckpointRequest* request,
      v1::CommitCheckpointResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.CommitCheckpoint(*request); });
  }
  grpc::ServerUnaryReactor* ReportProblem(
      grpc::CallbackServerContext* context,
      const v1::ReportProblemRequest* request,
      v1::ReportProblemResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.ReportProblem(*request); });
  }

 private:
  static constexpr uint32_t kLongestWaitMs = 10'000;

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
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto attempt = [context, reactor, ask](Attempt which) {
      // The caller is gone; a lease that is given now would be lost.
      if (context->IsCancelled()) {
        reactor->Finish(grpc::Status::CANCELLED);
        return true;
      }
      const absl::StatusOr<bool> answered = ask();
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
      poller_.Kick();
    } else {
      poller_.Park(absl::Milliseconds(std::min(wait_ms, kLongestWaitMs)),
                   attempt);
    }
    return reactor;
  }

  Controller& controller_;
  Poller& poller_;
  Attendance& attendance_;
};

class SinkService final : public v1::GroupSink::CallbackService {
 public:
  explicit SinkService(Controller& controller) : controller_(controller) {}

  grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context,
                                    const v1::DeliverRequest* request,
                                    v1::DeliverResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.Deliver(request->group()); });
  }

 private:
  Controller& controller_;
};

}  // namespace aha::coordinator
