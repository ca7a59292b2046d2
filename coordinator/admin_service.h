// The Admin service: translates the calls of ahactl for the job that this
// process serves now, for the files of all its runs, and for new jobs.
#pragma once

#include "aha/v1/admin.grpc.pb.h"
#include "base/status.h"
#include "coordinator/job_slot.h"
#include "coordinator/run_archive.h"
#include "coordinator/submission.h"
#include "rpc/finish.h"

namespace aha::coordinator {

class AdminService final : public v1::Admin::CallbackService {
 public:
  // `slot` must outlive it, and so must `submissions`, which is null if the
  // process serves one job only.
  AdminService(const JobSlot& slot, RunArchive archive,
               Submissions* submissions)
      : slot_(slot), archive_(std::move(archive)), submissions_(submissions) {}

  // --- The job of now; NOT_FOUND or UNAVAILABLE without one
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest*,
                                   v1::JobStatus* response) override {
    return Answer(context, response,
                  [](Controller&) { return absl::OkStatus(); });
  }
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest*,
                                     v1::JobStatus* response) override {
    return Answer(context, response,
                  [](Controller& controller) { return controller.Pause(); });
  }
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest*,
                                      v1::JobStatus* response) override {
    return Answer(context, response,
                  [](Controller& controller) { return controller.Resume(); });
  }
  grpc::ServerUnaryReactor* StopJob(grpc::CallbackServerContext* context,
                                    const v1::StopJobRequest*,
                                    v1::JobStatus* response) override {
    return Answer(context, response,
                  [](Controller& controller) { return controller.Stop(); });
  }
  grpc::ServerWriteReactor<v1::JobStatus>* WatchJob(
      grpc::CallbackServerContext* context,
      const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* ListMembers(
      grpc::CallbackServerContext* context, const v1::ListMembersRequest*,
      v1::ListMembersResponse* response) override;
  grpc::ServerUnaryReactor* DrainMember(grpc::CallbackServerContext* context,
                                        const v1::DrainMemberRequest* request,
                                        v1::DrainMemberResponse*) override;

  // --- All runs
  grpc::ServerUnaryReactor* SubmitJob(grpc::CallbackServerContext* context,
                                      const v1::SubmitJobRequest* request,
                                      v1::SubmitJobResponse* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest*,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* ListRunFiles(
      grpc::CallbackServerContext* context,
      const v1::ListRunFilesRequest* request,
      v1::ListRunFilesResponse* response) override;
  grpc::ServerUnaryReactor* ReadRunFile(
      grpc::CallbackServerContext* context,
      const v1::ReadRunFileRequest* request,
      v1::ReadRunFileResponse* response) override;

 private:
  // Answers with the status that the job has after `act`.
  template <class Act>
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   v1::JobStatus* response, Act act) {
    return rpc::Finish(context, [&]() -> absl::Status {
      AHA_ASSIGN_OR_RETURN(const JobSlot::Ref job, slot_.Get());
      AHA_RETURN_IF_ERROR(act(job->controller()));
      *response = job->controller().Status();
      return absl::OkStatus();
    });
  }
  absl::Status Submit(const v1::SubmitJobRequest& request,
                      v1::SubmitJobResponse* response);

  const JobSlot& slot_;
  const RunArchive archive_;
  Submissions* const submissions_;
};

}  // namespace aha::coordinator
