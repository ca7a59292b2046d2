// Serves the weights of the present job over gRPC: Publish takes a version from
// rank 0 of the learners, Fetch sends a committed one.  Both hold one chunk at
// a time.
#pragma once

#include "aha/v1/weights.grpc.pb.h"
#include "coordinator/job_slot.h"

namespace aha::coordinator {

class WeightsService final : public v1::Weights::CallbackService {
 public:
  // `slot` must outlive it.
  explicit WeightsService(const JobSlot& slot) : slot_(slot) {}

  grpc::ServerReadReactor<v1::WeightsChunk>* Publish(
      grpc::CallbackServerContext* context,
      v1::PublishResponse* response) override;
  grpc::ServerWriteReactor<v1::WeightsChunk>* Fetch(
      grpc::CallbackServerContext* context,
      const v1::FetchRequest* request) override;

 private:
  class Publisher;
  class Fetcher;

  const JobSlot& slot_;
};

}  // namespace aha::coordinator
