#include "reward_service/service.h"

#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "aha/v1/reward.grpc.pb.h"
#include "base/mutex.h"
#include "grpcpp/grpcpp.h"
#include "rpc/status.h"

namespace aha::reward {
namespace {

// One stream.  It owns itself, through self_, until the call is over.
class SubmitStream final
    : public grpc::ServerBidiReactor<v1::SubmitRequest, v1::SubmitResponse> {
 public:
  SubmitStream(StreamId id, Pipeline* pipeline,
               std::function<void(StreamId)> on_done)
      : id_(id), pipeline_(pipeline), on_done_(std::move(on_done)) {}

  void Begin(std::shared_ptr<SubmitStream> self) {
    self_ = std::move(self);
    pipeline_->Connect(id_);
    StartRead(&request_);
  }

  void Send(const v1::SubmitResponse& response) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (ending_) return;
    queue_.push_back(response);
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }

  // Ends the stream after what is queued has been written.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (ending_) return;
    ending_ = true;
    status_ = rpc::ToGrpc(status);
    if (!queue_.empty()) return;
    finished_ = true;
    Finish(status_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    const absl::Status status = pipeline_->Receive(id_, request_);
    if (!status.ok()) return End(status);
    request_.Clear();
    StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    if (ok) {
      queue_.pop_front();
    } else {
      queue_.clear();
    }
    if (!queue_.empty()) {
      StartWrite(&queue_.front());
    } else if (ending_ && !finished_) {
      finished_ = true;
      Finish(status_);
    }
  }

  void OnDone() override {
    pipeline_->Disconnect(id_);
    on_done_(id_);
    const std::shared_ptr<SubmitStream> self = std::move(self_);
  }

 private:
  const StreamId id_;
  Pipeline* const pipeline_;
  const std::function<void(StreamId)> on_done_;
  std::shared_ptr<SubmitStream> self_;
  v1::SubmitRequest request_;

  Mutex mutex_;
  // gRPC is writing the front; the others wait.
  std::deque<v1::SubmitResponse> queue_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct RewardService::Impl final : public v1::Reward::CallbackService {
  grpc::ServerBidiReactor<v1::SubmitRequest, v1::SubmitResponse>* Submit(
      grpc::CallbackServerContext*) override {
    std::shared_ptr<SubmitStream> stream;
    absl::Status refused;
    {
      MutexLock lock(mutex);
      const StreamId id = next++;
      stream = std::make_shared<SubmitStream>(
          id, pipeline, [this](StreamId done) { Remove(done); });
      streams[id] = stream;
      refused = closed;
    }
    stream->Begin(stream);
    if (!refused.ok()) stream->End(refused);
    return stream.get();
  }

  void Remove(StreamId id) {
    MutexLock lock(mutex);
    streams.erase(id);
  }

  std::shared_ptr<SubmitStream> Find(StreamId id) {
    MutexLock lock(mutex);
    const auto it = streams.find(id);
    return it == streams.end() ? nullptr : it->second.lock();
  }

  Pipeline* pipeline = nullptr;
  Mutex mutex;
  StreamId next ABSL_GUARDED_BY(mutex) = 1;
  absl::Status closed ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<StreamId, std::weak_ptr<SubmitStream>> streams
      ABSL_GUARDED_BY(mutex);
};

RewardService::RewardService() : impl_(std::make_unique<Impl>()) {}
RewardService::~RewardService() = default;

void RewardService::SetPipeline(Pipeline* pipeline) {
  impl_->pipeline = pipeline;
}

grpc::Service* RewardService::grpc_service() { return impl_.get(); }

void RewardService::Send(StreamId stream, const v1::SubmitResponse& response) {
  if (const std::shared_ptr<SubmitStream> found = impl_->Find(stream)) {
    found->Send(response);
  }
}

void RewardService::Close(const absl::Status& status) {
  std::vector<std::shared_ptr<SubmitStream>> all;
  {
    MutexLock lock(impl_->mutex);
    impl_->closed = status;
    for (const auto& [id, weak] : impl_->streams) {
      if (auto stream = weak.lock()) all.push_back(std::move(stream));
    }
  }
  for (const auto& stream : all) stream->End(status);
}

}  // namespace aha::reward
