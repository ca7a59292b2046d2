#include "learner/group_sink_service.h"

#include "aha/v1/rollout.grpc.pb.h"
#include "base/log.h"
#include "rpc/finish.h"

namespace aha::learner {
namespace {

class GroupSinkService final : public v1::GroupSink::CallbackService {
 public:
  explicit GroupSinkService(GroupBuffer* buffer) : buffer_(*buffer) {}

 private:
  grpc::ServerUnaryReactor* Deliver(grpc::CallbackServerContext* context,
                                    const v1::DeliverRequest* request,
                                    v1::DeliverResponse*) override {
    return rpc::Finish(context, [&] {
      absl::Status status = buffer_.Deliver(request->group());
      if (absl::IsDataLoss(status)) {
        AHA_LOG(kError) << status.message();
      } else if (absl::IsInvalidArgument(status)) {
        AHA_LOG(kWarning) << "refused: " << status.message();
      }
      return status;
    });
  }

  GroupBuffer& buffer_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewGroupSinkService(GroupBuffer* buffer) {
  return std::make_unique<GroupSinkService>(buffer);
}

}  // namespace aha::learner
