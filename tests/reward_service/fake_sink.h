// A consumer of groups whose answers the test scripts.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "aha/v1/rollout.grpc.pb.h"
#include "base/mutex.h"
#include "grpcpp/grpcpp.h"
#include "rpc/status.h"

namespace aha::reward {

// Thread-safe.
class FakeSink final : public v1::GroupSink::Service {
 public:
  grpc::Status Deliver(grpc::ServerContext*, const v1::DeliverRequest* request,
                       v1::DeliverResponse*) override {
    MutexLock lock(mutex_);
    ++calls_;
    changed_.NotifyAll();
    while (held_) changed_.Wait(mutex_);
    if (!answers_.empty()) {
      const absl::Status answer = answers_.front();
      answers_.pop_front();
      if (!answer.ok()) return rpc::ToGrpc(answer);
    }
    groups_.push_back(request->group());
    changed_.NotifyAll();
    return grpc::Status::OK;
  }

  // Answers the next delivery with `status`. When all answers are used up, it
  // is OK.
  void Answer(absl::Status status) {
    MutexLock lock(mutex_);
    answers_.push_back(std::move(status));
  }
  void Hold(bool held) {
    MutexLock lock(mutex_);
    held_ = held;
    changed_.NotifyAll();
  }
  void WaitForCalls(int calls) {
    MutexLock lock(mutex_);
    while (calls_ < calls) changed_.Wait(mutex_);
  }
  void WaitForGroups(size_t groups) {
    MutexLock lock(mutex_);
    while (groups_.size() < groups) changed_.Wait(mutex_);
  }
  std::vector<v1::ScoredGroup> groups() {
    MutexLock lock(mutex_);
    return groups_;
  }
  int calls() {
    MutexLock lock(mutex_);
    return calls_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<absl::Status> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ScoredGroup> groups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::reward
