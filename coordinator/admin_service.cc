#include "coordinator/admin_service.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "job/file/job.h"
#include "job/identity.h"

namespace aha::coordinator {
namespace {

// The answer to a submission while `held` is served.
absl::Status SubmitBeside(const v1::Job& submitted, Controller& held,
                          v1::SubmitJobResponse* response) {
  AHA_ASSIGN_OR_RETURN(const v1::Job job, ResolveJob(submitted));
  // A standing coordinator waits some seconds for its members to leave.  The
  // caller tries again and finds it free.
  if (held.Ended()) {
    return absl::UnavailableError(
        absl::StrCat("the job ", held.job().name(), " just ended"));
  }
  if (job.name() == held.job().name() &&
      ResultFingerprint(job) == ResultFingerprint(held.job())) {
    response->set_unchanged(true);
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the coordinator has another job: ", held.job().name(), ", ",
      StateName(held.State()),
      "; wait for its end (`ahactl job wait`), stop it (`ahactl job stop`) "
      "or submit to another cluster"));
}

}  // namespace

grpc::ServerWriteReactor<v1::JobStatus>* AdminService::WatchJob(
    grpc::CallbackServerContext*, const v1::WatchJobRequest*) {
  const absl::StatusOr<JobSlot::Ref> job = slot_.Get();
  if (!job.ok()) {
    return rpc::Refuse<grpc::ServerWriteReactor<v1::JobStatus>>(job.status());
  }
  return (*job)->watches().Open(*job);
}

grpc::ServerUnaryReactor* AdminService::ListMembers(
    grpc::CallbackServerContext* context, const v1::ListMembersRequest*,
    v1::ListMembersResponse* response) {
  return rpc::Finish(context, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const JobSlot::Ref job, slot_.Get());
    for (const v1::Member& member : job->controller().Members()) {
      *response->add_members() = member;
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::DrainMember(
    grpc::CallbackServerContext* context, const v1::DrainMemberRequest* request,
    v1::DrainMemberResponse*) {
  return rpc::Finish(context, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(const JobSlot::Ref job, slot_.Get());
    return job->controller().Drain(request->name());
  });
}

grpc::ServerUnaryReactor* AdminService::SubmitJob(
    grpc::CallbackServerContext* context, const v1::SubmitJobRequest* request,
    v1::SubmitJobResponse* response) {
  return rpc::Finish(context, [&] { return Submit(*request, response); });
}

absl::Status AdminService::Submit(const v1::SubmitJobRequest& request,
                                  v1::SubmitJobResponse* response) {
  const absl::StatusOr<JobSlot::Ref> job = slot_.Get();
  if (job.ok()) {
    return SubmitBeside(request.job(), (*job)->controller(), response);
  }
  if (submissions_ == nullptr) return job.status();
  return submissions_->Submit(request.job(), request.resume());
}

grpc::ServerUnaryReactor* AdminService::ListJobs(
    grpc::CallbackServerContext* context, const v1::ListJobsRequest*,
    v1::ListJobsResponse* response) {
  return rpc::Finish(context, [&] {
    v1::JobStatus current;
    const absl::StatusOr<JobSlot::Ref> running = slot_.Get();
    if (running.ok()) current = (*running)->controller().Status();
    for (v1::JobStatus& job : archive_.List()) {
      v1::JobStatus* listed = response->add_jobs();
      *listed = job.name() == current.name() ? current : std::move(job);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ListRunFiles(
    grpc::CallbackServerContext* context,
    const v1::ListRunFilesRequest* request,
    v1::ListRunFilesResponse* response) {
  return rpc::Finish(context, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(std::vector<v1::RunFile> files,
                         archive_.Files(request->job()));
    for (v1::RunFile& file : files) *response->add_files() = std::move(file);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* AdminService::ReadRunFile(
    grpc::CallbackServerContext* context, const v1::ReadRunFileRequest* request,
    v1::ReadRunFileResponse* response) {
  return rpc::Finish(context, [&]() -> absl::Status {
    AHA_ASSIGN_OR_RETURN(std::string data, archive_.Read(*request));
    response->set_data(std::move(data));
    return absl::OkStatus();
  });
}

}  // namespace aha::coordinator
