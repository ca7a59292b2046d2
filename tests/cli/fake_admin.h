// A coordinator's Admin service that answers what a test sets.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "aha/v1/admin.grpc.pb.h"
#include "base/mutex.h"
#include "cli/client/admin_client.h"

namespace aha::cli {

class FakeAdmin final : public v1::Admin::Service {
 public:
  FakeAdmin() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeAdmin() override { Stop(); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  AdminOptions options() const {
    AdminOptions options;
    options.address = address();
    return options;
  }
  void Stop() {
    if (server_ == nullptr) return;
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  // The current job; no name: none.
  void SetJob(const std::string& name, v1::JobState state) {
    MutexLock lock(mutex_);
    job_.set_name(name);
    job_.set_state(state);
    job_.set_run_directory("/there/" + name);
    changed_.NotifyAll();
  }
  // Set before the first call.
  std::vector<v1::JobStatus> listed;
  std::vector<v1::Member> members;
  std::map<std::string, std::string> files;

 private:
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest*,
                      v1::JobStatus* response) override {
    MutexLock lock(mutex_);
    if (job_.name().empty()) {
      return {grpc::StatusCode::NOT_FOUND, "the coordinator has no job"};
    }
    *response = job_;
    return grpc::Status::OK;
  }
  grpc::Status WatchJob(grpc::ServerContext* context,
                        const v1::WatchJobRequest*,
                        grpc::ServerWriter<v1::JobStatus>* writer) override {
    MutexLock lock(mutex_);
    while (!stopping_ && !context->IsCancelled()) {
      if (!job_.name().empty()) {
        writer->Write(job_);
        if (job_.state() == v1::JOB_STATE_SUCCEEDED) break;
      }
      changed_.WaitFor(mutex_, absl::Milliseconds(20));
    }
    return grpc::Status::OK;
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest*,
                        v1::ListJobsResponse* response) override {
    for (const v1::JobStatus& job : listed) *response->add_jobs() = job;
    return grpc::Status::OK;
  }
  grpc::Status ListMembers(grpc::ServerContext*, const v1::ListMembersRequest*,
                           v1::ListMembersResponse* response) override {
    for (const v1::Member& member : members) *response->add_members() = member;
    return grpc::Status::OK;
  }
  grpc::Status ListRunFiles(grpc::ServerContext*,
                            const v1::ListRunFilesRequest*,
                            v1::ListRunFilesResponse* response) override {
    for (const auto& [name, content] : files) {
      v1::RunFile* file = response->add_files();
      file->set_name(name);
      file->set_bytes(content.size());
    }
    return grpc::Status::OK;
  }
  grpc::Status ReadRunFile(grpc::ServerContext*,
                           const v1::ReadRunFileRequest* request,
                           v1::ReadRunFileResponse* response) override {
    const auto found = files.find(request->name());
    if (found == files.end()) {
      return {grpc::StatusCode::NOT_FOUND, "no such file"};
    }
    // Three bytes at a time, so that a file takes several calls.
    const std::string& content = found->second;
    const size_t at = std::min<size_t>(request->offset(), content.size());
    response->set_data(content.substr(at, 3));
    return grpc::Status::OK;
  }

  int port_ = 0;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  v1::JobStatus job_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace aha::cli
