#include "cluster/attend_client.h"

#include <optional>
#include <utility>

#include "aha/v1/coordinator.grpc.pb.h"
#include "base/mutex.h"

namespace aha::rpc {

class AttendClient::Stream
    : private grpc::ClientReadReactor<v1::AttendResponse> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel,
         const MemberIdentity& identity)
      : stub_(v1::Coordinator::NewStub(channel)) {
    request_.set_member_id(identity.member_id);
    request_.set_epoch(identity.epoch);
    stub_->async()->Attend(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }
  ~Stream() override {
    context_.TryCancel();
    MutexLock lock(mutex_);
    while (!ended_.has_value()) changed_.Wait(mutex_);
  }

  bool IsOf(const MemberIdentity& identity) const {
    return request_.member_id() == identity.member_id &&
           request_.epoch() == identity.epoch;
  }
  // Why the stream ended; unset while it is open.
  std::optional<grpc::StatusCode> ended() {
    MutexLock lock(mutex_);
    return ended_;
  }

 private:
  void OnReadDone(bool ok) override {
    if (ok) StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    MutexLock lock(mutex_);
    ended_ = status.error_code();
    changed_.NotifyAll();
  }

  const std::unique_ptr<v1::Coordinator::Stub> stub_;
  grpc::ClientContext context_;
  v1::AttendRequest request_;
  v1::AttendResponse response_;
  Mutex mutex_;
  CondVar changed_;
  std::optional<grpc::StatusCode> ended_ ABSL_GUARDED_BY(mutex_);
};

AttendClient::AttendClient(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)) {}

AttendClient::~AttendClient() = default;

void AttendClient::Keep(const MemberIdentity& identity) {
  if (stream_ != nullptr) {
    const std::optional<grpc::StatusCode> ended = stream_->ended();
    if (ended == grpc::StatusCode::UNIMPLEMENTED) known_ = false;
    if (!ended.has_value() && stream_->IsOf(identity)) return;
    stream_.reset();
  }
  if (known_) stream_ = std::make_unique<Stream>(channel_, identity);
}

}  // namespace aha::rpc
