// A reward replica on loopback: the real pipeline, service and forwarder with a
// rule of its own (1 if the completion equals the reference).
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/clock.h"
#include "reward_service/consumer_forwarder.h"
#include "reward_service/pipeline.h"
#include "reward_service/service.h"
#include "reward_service/worker_pool.h"
#include "rpc/server.h"

namespace aha::reward {

class Replica {
 public:
  explicit Replica(PipelineOptions options = {},
                   const std::string& listen = "127.0.0.1:0")
      : forwarder_({.backoff = {absl::Milliseconds(1), absl::Seconds(2)}}),
        pipeline_(options, {.executor =
                                [this](std::function<void()> task) {
                                  workers_->Run(std::move(task));
                                },
                            .forwarder = &forwarder_,
                            .outbox = &service_,
                            .clock = MonotonicClock(),
                            .stats = {}}) {
    pipeline_.SetScorer(Immediate([](const Completion& completion) {
      return Score{.reward = completion.text == completion.reference ? 1. : 0,
                   .parts = {}};
    }));
    pipeline_.SetEpoch(7);
    service_.SetPipeline(&pipeline_);
    server_ =
        *rpc::Server::Start({.listen = listen}, {service_.grpc_service()});
  }
  // To its peers this looks like a crash.
  ~Replica() {
    server_->Shutdown(absl::ZeroDuration());
    forwarder_.Stop();
    workers_.reset();
  }

  const std::string& address() const { return server_->address(); }
  ConsumerForwarder& forwarder() { return forwarder_; }
  RewardService& service() { return service_; }
  Pipeline& pipeline() { return pipeline_; }

 private:
  ConsumerForwarder forwarder_;
  RewardService service_;
  std::unique_ptr<WorkerPool> workers_ = std::make_unique<WorkerPool>(2);
  Pipeline pipeline_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace aha::reward
