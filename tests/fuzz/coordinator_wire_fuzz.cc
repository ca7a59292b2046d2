// Fuzzes what members and administrators may send to the coordinator: any
// sequence of calls on a job that has begun, while time passes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "aha/v1/coordinator.pb.h"
#include "tests/coordinator/fake_cluster.h"
#include "tests/fuzz/messages.h"

namespace aha::coordinator {
namespace {

class Fuzzed : public FakeCluster {
 public:
  Fuzzed() {
    Start();
    JoinAll();
    (void)NextStage();
    (void)Publish({0, 0});
  }

  void Take(const fuzz::Messages& message) {
    switch (message.kind() % 16) {
      case 0:
        (void)controller_->Register(message.As<v1::RegisterRequest>());
        break;
      case 1:
        (void)controller_->Heartbeat(message.As<v1::HeartbeatRequest>());
        break;
      case 2:
        (void)controller_->Leave(message.As<v1::LeaveRequest>());
        break;
      case 3:
        (void)controller_->ReportProblem(
            message.As<v1::ReportProblemRequest>());
        break;
      case 4: {
        v1::LeaseGroupsResponse response;
        (void)controller_->TryLease(message.As<v1::LeaseGroupsRequest>(),
                                    &response);
        break;
      }
      case 5:
        (void)controller_->CompleteLease(
            message.As<v1::CompleteLeaseRequest>());
        break;
      case 6:
        (void)controller_->Deliver(message.As<v1::DeliverRequest>().group());
        break;
      case 7: {
        v1::NextStageResponse response;
        (void)controller_->TryNextStage(message.As<v1::NextStageRequest>(),
                                        &response);
        break;
      }
      case 8: {
        v1::BeginStepResponse response;
        (void)controller_->TryBeginStep(message.As<v1::BeginStepRequest>(),
                                        &response);
        break;
      }
      case 9:
        (void)controller_->CommitStep(message.As<v1::CommitStepRequest>());
        break;
      case 10:
        (void)controller_->CommitCheckpoint(
            message.As<v1::CommitCheckpointRequest>());
        break;
      default:
        Go(message.kind() % 16, message.bytes().size());
    }
    (void)controller_->Status();
  }

 private:
  // Makes the call that an honest member would make next, so that the job makes
  // progress.
  void Go(int what, size_t size) {
    const uint64_t step = size % 4;
    switch (what) {
      case 11:
        (void)Step(0, step);
        break;
      case 12:
        (void)Checkpoint(0, step + 1);
        break;
      case 13:
        (void)Publish({static_cast<uint32_t>(size % 2), step});
        break;
      case 14:
        (void)(size % 2 == 0 ? controller_->Pause() : controller_->Resume());
        break;
      default:
        Pass(absl::Seconds(static_cast<int64_t>(size)));
    }
  }
};

}  // namespace
}  // namespace aha::coordinator

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aha::fuzz::Messages messages(data, size);
  aha::coordinator::Fuzzed cluster;
  // A long sequence would cost many transactions in the run directory.
  for (int i = 0; i < 64 && messages.Next(); ++i) cluster.Take(messages);
  return 0;
}
