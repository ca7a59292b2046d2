// The gRPC face of the pipeline: one reactor for each Submit stream.
//
// Thread-safe.  The service must outlive its server's streams: call Close, then
// shut the server down.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "reward_service/pipeline.h"

namespace grpc {
class Service;
}

namespace aha::reward {

class RewardService final : public Outbox {
 public:
  RewardService();
  ~RewardService() override;

  // Call before the server starts; `pipeline` must outlive the streams.
  void SetPipeline(Pipeline* pipeline);
  grpc::Service* grpc_service();

  void Send(StreamId stream, const v1::SubmitResponse& response) override;

  // Ends all streams with `status`, and every later one as soon as it begins.
  void Close(const absl::Status& status);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aha::reward
