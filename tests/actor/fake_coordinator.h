// A coordinator whose members, leases and weights the test scripts.
//
// Thread-safe. Handlers of long polls block, so the server is a synchronous
// one.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aha/v1/coordinator.grpc.pb.h"
#include "aha/v1/weights.grpc.pb.h"
#include "base/mutex.h"
#include "grpcpp/grpcpp.h"
#include "job/ids.h"
#include "rpc/server.h"
#include "tests/actor/weights.h"

namespace aha::actor {

class FakeCoordinator {
 public:
  // What the coordinator has seen and what it is to answer. Change it through
  // Change.
  struct World {
    v1::Job job;
    uint64_t epoch = 7;
    uint64_t member_id = 100;                   // Of the latest registration.
    std::deque<grpc::Status> register_answers;  // After these, OK.
    v1::Directive directive = v1::DIRECTIVE_RUN;
    std::vector<v1::Peer> peers;
    std::vector<uint64_t> lose;
    std::deque<v1::Lease> leases;
    std::map<WeightsId, std::string> weights;
    int break_fetches = 0;   // This many end after their first chunk.
    int corrupt_chunks = 0;  // This many have a flipped bit.
    v1::WeightsEncoding encoding = v1::WEIGHTS_ENCODING_FULL;

    std::vector<v1::RegisterRequest> registered;
    std::vector<v1::HeartbeatRequest> heartbeats;
    std::vector<v1::CompleteLeaseRequest> completed;
    std::vector<v1::ReportProblemRequest> problems;
    std::vector<uint64_t> fetch_offsets;
    int left = 0;
    int polls = 0;
  };

  FakeCoordinator() : coordinator_(*this), weights_(*this) {
    server_ = *rpc::Server::Start({}, {&coordinator_, &weights_});
  }

  const std::string& address() const { return server_->address(); }

  // From now on nothing answers at the address.
  void Stop() { server_->Shutdown(absl::ZeroDuration()); }

  void Change(const std::function<void(World&)>& change) {
    MutexLock lock(mutex_);
    change(world_);
    changed_.NotifyAll();
  }
  // Blocks until `condition` holds.
  void Await(const std::function<bool(const World&)>& condition) {
    MutexLock lock(mutex_);
    while (!condition(world_)) changed_.Wait(mutex_);
  }
  World Get() {
    MutexLock lock(mutex_);
    return world_;
  }

 private:
  class Coordinator final : public v1::Coordinator::Service {
   public:
    explicit Coordinator(FakeCoordinator& owner) : owner_(owner) {}

    grpc::Status Register(grpc::ServerContext*,
                          const v1::RegisterRequest* request,
                          v1::RegisterResponse* response) override {
      return owner_.With([&](World& world) {
        world.registered.push_back(*request);
        if (!world.register_answers.empty()) {
          grpc::Status answer = world.register_answers.front();
          world.register_answers.pop_front();
          return answer;
        }
        response->set_member_id(++world.member_id);
        response->set_epoch(world.epoch);
        response->set_heartbeat_interval_ms(20);
        *response->mutable_job() = world.job;
        return grpc::Status::OK;
      });
    }
    grpc::Status Heartbeat(grpc::ServerContext*,
                           const v1::HeartbeatRequest* request,
                           v1::HeartbeatResponse* response) override {
      return owner_.With([&](World& world) {
        grpc::Status known = Known(world, *request);
        if (!known.ok()) return known;
        world.heartbeats.push_back(*request);
        response->set_directive(world.directive);
        response->mutable_peers()->Assign(world.peers.begin(),
                                          world.peers.end());
        response->mutable_lost_lease_ids()->Assign(world.lose.begin(),
                                                   world.lose.end());
        world.lose.clear();
        return grpc::Status::OK;
      });
    }
    grpc::Status Leave(grpc::ServerContext*, const v1::LeaveRequest*,
                       v1::LeaveResponse*) override {
      return owner_.With([&](World& world) {
        ++world.left;
        return grpc::Status::OK;
      });
    }
    grpc::Status LeaseGroups(grpc::ServerContext* context,
                             const v1::LeaseGroupsRequest* request,
                             v1::LeaseGroupsResponse* response) override {
      return owner_.LeaseGroups(context, *request, response);
    }
    grpc::Status CompleteLease(grpc::ServerContext*,
                               const v1::CompleteLeaseRequest* request,
                               v1::CompleteLeaseResponse*) override {
      return owner_.With([&](World& world) {
        grpc::Status known = Known(world, *request);
        if (known.ok()) world.completed.push_back(*request);
        return known;
      });
    }
    grpc::Status ReportProblem(grpc::ServerContext*,
                               const v1::ReportProblemRequest* request,
                               v1::ReportProblemResponse*) override {
      return owner_.With([&](World& world) {
        world.problems.push_back(*request);
        return grpc::Status::OK;
      });
    }

   private:
    FakeCoordinator& owner_;
  };

  class Weights final : public v1::Weights::Service {
   public:
    explicit Weights(FakeCoordinator& owner) : owner_(owner) {}
    grpc::Status Fetch(grpc::ServerContext*, const v1::FetchRequest* request,
                       grpc::ServerWriter<v1::WeightsChunk>* writer) override {
      return owner_.Fetch(*request, writer);
    }

   private:
    FakeCoordinator& owner_;
  };

  template <class Request>
  static grpc::Status Known(const World& world, const Request& request) {
    if (request.epoch() != world.epoch) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "another epoch"};
    }
    if (request.member_id() != world.member_id) {
      return {grpc::StatusCode::NOT_FOUND, "unknown member"};
    }
    return grpc::Status::OK;
  }

  grpc::Status With(const std::function<grpc::Status(World&)>& handler) {
    MutexLock lock(mutex_);
    grpc::Status status = handler(world_);
    changed_.NotifyAll();
    return status;
  }

  grpc::Status LeaseGroups(grpc::ServerContext* context,
                           const v1::LeaseGroupsRequest& request,
                           v1::LeaseGroupsResponse* response) {
    MutexLock lock(mutex_);
    ++world_.polls;
    changed_.NotifyAll();
    for (;;) {
      grpc::Status known = Known(world_, request);
      if (!known.ok()) return known;
      if (!world_.leases.empty() || context->IsCancelled()) break;
      changed_.WaitFor(mutex_, absl::Milliseconds(20));
    }
    while (!world_.leases.empty() &&
           response->leases_size() < static_cast<int>(request.max_groups())) {
      *response->add_leases() = std::move(world_.leases.front());
      world_.leases.pop_front();
    }
    return grpc::Status::OK;
  }

  grpc::Status Fetch(const v1::FetchRequest& request,
                     grpc::ServerWriter<v1::WeightsChunk>* writer) {
    constexpr uint64_t kChunk = 1000;
    MutexLock lock(mutex_);
    const WeightsId id = WeightsId::Of(request.id());
    world_.fetch_offsets.push_back(request.offset());
    changed_.NotifyAll();
    const auto it = world_.weights.find(id);
    if (it == world_.weights.end()) {
      return {grpc::StatusCode::NOT_FOUND, "no such version"};
    }
    for (uint64_t at = request.offset(); at < it->second.size(); at += kChunk) {
      v1::WeightsChunk chunk = Chunk(id, world_.epoch, it->second, at, kChunk);
      chunk.set_encoding(world_.encoding);
      if (world_.corrupt_chunks > 0) {
        --world_.corrupt_chunks;
        (*chunk.mutable_data())[3] ^= 4;
      }
      writer->Write(chunk);
      if (world_.break_fetches > 0) {
        --world_.break_fetches;
        return {grpc::StatusCode::UNAVAILABLE, "broken"};
      }
    }
    return grpc::Status::OK;
  }

  Mutex mutex_;
  CondVar changed_;
  World world_ ABSL_GUARDED_BY(mutex_);
  Coordinator coordinator_;
  Weights weights_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace aha::actor
