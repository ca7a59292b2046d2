// Fuzzes what actors may send to the reward service: any sequence of announced
// groups and trajectories, on streams that open and close.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>

#include "absl/time/time.h"
#include "aha/v1/reward.pb.h"
#include "reward_service/assembler.h"
#include "tests/fuzz/messages.h"

namespace {

using aha::GroupId;
using aha::reward::Assembler;
using aha::reward::Ticket;

constexpr uint64_t kMaxBytes = 1 << 16;

class Service {
 public:
  void Take(aha::reward::StreamId stream, aha::v1::SubmitRequest request) {
    now_ += absl::Seconds(1);
    if (request.has_open()) {
      (void)assembler_.Open(stream, request.open(), now_);
      return;
    }
    const auto ticket = assembler_.Add(
        stream, GroupId::Of(request.trajectory().key()),
        std::move(*request.mutable_trajectory()->mutable_trajectory()), now_);
    if (ticket.ok() && ticket->has_value()) tickets_.push_back(**ticket);
  }
  void ScoreOne() {
    if (tickets_.empty()) return;
    (void)assembler_.Get(tickets_.front());
    const auto whole =
        assembler_.SetScore(tickets_.front(), {.reward = 1, .parts = {}});
    tickets_.pop_front();
    if (whole.has_value()) (void)assembler_.Forget(whole->id);
  }
  void Disconnect(aha::reward::StreamId stream) {
    assembler_.Disconnect(stream);
    for (const GroupId& id : assembler_.Excess(kMaxBytes)) {
      (void)assembler_.Forget(id);
    }
  }
  // When nothing is held any more, the counters must be zero.
  void End() {
    for (int stream = 0; stream < 4; ++stream) assembler_.Disconnect(stream);
    for (const GroupId& id :
         assembler_.Overdue(now_ + absl::Hours(1), absl::Seconds(1))) {
      (void)assembler_.Forget(id);
    }
    if (assembler_.size() == 0 && assembler_.bytes() != 0) std::abort();
  }

 private:
  Assembler assembler_{kMaxBytes};
  std::deque<Ticket> tickets_;
  absl::Time now_ = absl::UnixEpoch();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aha::fuzz::Messages messages(data, size);
  Service service;
  while (messages.Next()) {
    const aha::reward::StreamId stream = messages.kind() % 4;
    switch (messages.kind() / 4 % 4) {
      case 0:
      case 1:
        service.Take(stream, messages.As<aha::v1::SubmitRequest>());
        break;
      case 2:
        service.ScoreOne();
        break;
      default:
        service.Disconnect(stream);
    }
  }
  service.End();
  return 0;
}
