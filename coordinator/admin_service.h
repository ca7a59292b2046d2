// The Admin service: translates the calls of ahactl for the Controller.
// Internal to services.cc.
#pragma once

#include <set>

#include "aha/v1/admin.grpc.pb.h"
#include "base/mutex.h"
#include "coordinator/archive_service.h"
#include "coordinator/controller.h"
#include "rpc/finish.h"

namespace aha::coordinator {

class AdminService final : public ArchiveService {
 public:
  AdminService(Controller& controller, RunArchive archive)
      : ArchiveService(std::move(archive)), controller_(controller) {}

  // Sends the status to every watch, except one that is still sending the last
  // status.  To be called at most ten times a second.
  void Push();
  // Ends every watch.
  void Stop();

  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus* response) override {
    return Answer(context, response, [] { return absl::OkStatus(); });
  }
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest*,
                                     v1::JobStatus* response) override {
    return Answer(context, response, [this] { return controller_.Pause(); });
  }
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest*,
                                      v1::JobStatus* response) override {
    return Answer(context, response, [this] { return controller_.Resume(); });
  }
  grpc::ServerUnaryReactor* StopJob(grpc::CallbackServerContext* context,
                                    const v1::StopJobRequest*,
                                    v1::JobStatus* response) override {
    return Answer(context, response, [this] { return controller_.Stop(); });
  }
  grpc::ServerUnaryReactor* ListMembers(
      grpc::CallbackServerContext* context, const v1::ListMembersRequest*,
      v1::ListMembersResponse* response) override {
    return rpc::Finish(context, [&] {
      for (const v1::Member& member : controller_.Members()) {
        *response->add_members() = member;
      }
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* DrainMember(grpc::CallbackServerContext* context,
                                        const v1::DrainMemberRequest* request,
                                        v1::DrainMemberResponse*) override {
    return rpc::Finish(context,
                       [&] { return controller_.Drain(request->name()); });
  }
  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest*,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::JobStatus>* WatchJob(
      grpc::CallbackServerContext* context,
      const v1::WatchJobRequest* request) override;

 private:
  class Watch;

  template <class Act>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   v1::JobStatus* response, Act act) {
    return rpc::Finish(context, [&] {
      absl::Status status = act();
      if (status.ok()) *response = controller_.Status();
      return status;
    });
  }

  Controller& controller_;
  Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<Watch*> watches_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::coordinator
