// The part of the Admin service that reads the files of runs.  It is the same
// with a job (AdminService) and without one (IdleServer).  Internal to the
// services of the coordinator.
#pragma once

#include "aha/v1/admin.grpc.pb.h"
#include "coordinator/run_archive.h"
#include "rpc/finish.h"

namespace aha::coordinator {

class ArchiveService : public v1::Admin::CallbackService {
 public:
  explicit ArchiveService(RunArchive archive) : archive_(std::move(archive)) {}

  grpc::ServerUnaryReactor* ListRunFiles(
      grpc::CallbackServerContext* context,
      const v1::ListRunFilesRequest* request,
      v1::ListRunFilesResponse* response) override {
    return rpc::Finish(context, [&] {
      absl::StatusOr<std::vector<v1::RunFile>> files =
          archive_.Files(request->job());
      if (!files.ok()) return files.status();
      for (v1::RunFile& file : *files) *response->add_files() = std::move(file);
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* ReadRunFile(
      grpc::CallbackServerContext* context,
      const v1::ReadRunFileRequest* request,
      v1::ReadRunFileResponse* response) override {
    return rpc::Finish(context, [&] {
      absl::StatusOr<std::string> data = archive_.Read(*request);
      if (!data.ok()) return data.status();
      response->set_data(*std::move(data));
      return absl::OkStatus();
    });
  }

 protected:
  const RunArchive& archive() const { return archive_; }

 private:
  const RunArchive archive_;
};

}  // namespace aha::coordinator
