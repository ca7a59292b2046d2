#include "coordinator/attendance.h"

#include <memory>
#include <utility>

#include "rpc/status.h"

namespace aha::coordinator {

class Attendance::Stream : public grpc::ServerWriteReactor<v1::AttendResponse> {
 public:
  Stream(Attendance& attendance, std::shared_ptr<void> owner,
         uint64_t member_id, uint64_t number)
      : owner_(std::move(owner)),
        attendance_(attendance),
        member_id_(member_id),
        number_(number) {}

  void End(const grpc::Status& status) {
    {
      MutexLock lock(mutex_);
      if (std::exchange(ended_, true)) return;
    }
    Finish(status);
  }

 private:
  void OnCancel() override {
    attendance_.controller_.Gone(member_id_, number_);
    End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    {
      MutexLock lock(attendance_.mutex_);
      attendance_.streams_.erase(this);
    }
    delete this;
  }

  const std::shared_ptr<void> owner_;
  Attendance& attendance_;
  const uint64_t member_id_;
  const uint64_t number_;
  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

grpc::ServerWriteReactor<v1::AttendResponse>* Attendance::Open(
    std::shared_ptr<void> owner, const v1::AttendRequest& request) {
  const absl::StatusOr<uint64_t> number = controller_.Attend(request);
  auto* stream = new Stream(*this, std::move(owner), request.member_id(),
                            number.value_or(0));
  if (!number.ok()) {
    stream->End(rpc::ToGrpc(number.status()));
    return stream;
  }
  MutexLock lock(mutex_);
  if (stopping_) {
    stream->End({grpc::StatusCode::UNAVAILABLE, "the coordinator stops"});
  } else {
    streams_.insert(stream);
  }
  return stream;
}

void Attendance::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  for (Stream* stream : streams_) {
    stream->End({grpc::StatusCode::UNAVAILABLE, "the coordinator stops"});
  }
}

}  // namespace aha::coordinator
