// Serves the weights store over gRPC: Publish takes a version from rank 0 of
// the learners, Fetch sends a committed one.  Both hold one chunk at a time.
// Internal to services.cc.
#pragma once

#include "aha/v1/weights.grpc.pb.h"
#include "coordinator/controller.h"
#include "coordinator/weights_store.h"

namespace aha::coordinator {

class WeightsService final : public v1::Weights::CallbackService {
 public:
  WeightsService(Controller& controller, WeightsStore& store)
      : controller_(controller), store_(store) {}

  grpc::ServerReadReactor<v1::WeightsChunk>* Publish(
      grpc::CallbackServerContext* context,
      v1::PublishResponse* response) override;
  grpc::ServerWriteReactor<v1::WeightsChunk>* Fetch(
      grpc::CallbackServerContext* context,
      const v1::FetchRequest* request) override;

 private:
  class Publisher;
  class Fetcher;

  Controller& controller_;
  WeightsStore& store_;
};

}  // namespace aha::coordinator
