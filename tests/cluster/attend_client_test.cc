#include "cluster/attend_client.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "aha/v1/coordinator.grpc.pb.h"
#include "base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rpc/channel.h"
#include "rpc/server.h"

namespace aha::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Counts the Attend streams, and keeps each open until the test or the member
// ends it.
class StreamRecorder : public v1::Coordinator::CallbackService {
 public:
  struct World {
    std::vector<uint64_t> opened;     // The members, in order.
    std::vector<uint64_t> cancelled;  // Those whose side ended the stream.
    std::map<uint64_t, grpc::Status> answers;  // End each stream that opens.
  };

  void Await(const std::function<bool(const World&)>& condition) {
    MutexLock lock(mutex_);
    while (!condition(world_)) changed_.Wait(mutex_);
  }
  void Change(const std::function<void(World&)>& change) {
    MutexLock lock(mutex_);
    change(world_);
    changed_.NotifyAll();
  }
  World Get() {
    MutexLock lock(mutex_);
    return world_;
  }

 private:
  class Stream : public grpc::ServerWriteReactor<v1::AttendResponse> {
   public:
    Stream(StreamRecorder& owner, uint64_t member)
        : owner_(owner), member_(member) {}

   private:
    void OnCancel() override {
      owner_.Change([&](World& world) { world.cancelled.push_back(member_); });
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

    StreamRecorder& owner_;
    const uint64_t member_;
  };
  // A stream that this side ends hears of no cancellation.
  class Ended : public grpc::ServerWriteReactor<v1::AttendResponse> {
   public:
    explicit Ended(const grpc::Status& status) { Finish(status); }

   private:
    void OnDone() override { delete this; }
  };

  grpc::ServerWriteReactor<v1::AttendResponse>* Attend(
      grpc::CallbackServerContext*, const v1::AttendRequest* request) override {
    std::optional<grpc::Status> answer;
    Change([&](World& world) {
      world.opened.push_back(request->member_id());
      const auto it = world.answers.find(request->member_id());
      if (it != world.answers.end()) answer = it->second;
    });
    if (answer.has_value()) return new Ended(*answer);
    return new Stream(*this, request->member_id());
  }

  Mutex mutex_;
  CondVar changed_;
  World world_ ABSL_GUARDED_BY(mutex_);
};

class AttendClientTest : public ::testing::Test {
 protected:
  using World = StreamRecorder::World;

  // A stream that has ended opens again at one of the next heartbeats.
  void KeepUntilOpened(const MemberIdentity& identity, size_t streams) {
    while (coordinator_.Get().opened.size() < streams) {
      attendance_->Keep(identity);
    }
  }

  StreamRecorder coordinator_;
  std::unique_ptr<Server> server_ = *Server::Start({}, {&coordinator_});
  std::unique_ptr<AttendClient> attendance_ = std::make_unique<AttendClient>(
      *NewChannel({.address = server_->address()}));
};

TEST_F(AttendClientTest, OneStreamStaysOpenForAnIdentityUntilTheEnd) {
  for (int beat = 0; beat < 5; ++beat) {
    attendance_->Keep({.member_id = 3, .epoch = 1});
    coordinator_.Await([](const World& w) { return !w.opened.empty(); });
  }
  EXPECT_THAT(coordinator_.Get().opened, ElementsAre(3));
  EXPECT_THAT(coordinator_.Get().cancelled, SizeIs(0));
  attendance_.reset();  // This is what the end of the process does.
  coordinator_.Await([](const World& w) { return w.cancelled.size() == 1; });
}

TEST_F(AttendClientTest, AnotherIdentityReplacesTheStream) {
  attendance_->Keep({.member_id = 3, .epoch = 1});
  coordinator_.Await([](const World& w) { return w.opened.size() == 1; });
  attendance_->Keep({.member_id = 4, .epoch = 1});
  coordinator_.Await([](const World& w) {
    return w.opened.size() == 2 && w.cancelled.size() == 1;
  });
  EXPECT_THAT(coordinator_.Get().opened, ElementsAre(3, 4));
  EXPECT_THAT(coordinator_.Get().cancelled, ElementsAre(3));
  // The same member of another coordinator's epoch is another identity.
  attendance_->Keep({.member_id = 4, .epoch = 2});
  coordinator_.Await([](const World& w) { return w.opened.size() == 3; });
}

TEST_F(AttendClientTest, AStreamThatTheCoordinatorEndedOpensAgain) {
  coordinator_.Change([](World& world) {
    world.answers[3] = {grpc::StatusCode::UNAVAILABLE, "stopping"};
  });
  KeepUntilOpened({.member_id = 3, .epoch = 1}, 2);
  coordinator_.Change([](World& world) { world.answers.clear(); });
  KeepUntilOpened({.member_id = 3, .epoch = 1}, 3);
}

TEST_F(AttendClientTest, ACoordinatorWithoutTheMethodIsNotCalledAgain) {
  coordinator_.Change([](World& world) {
    world.answers = {{3, {grpc::StatusCode::UNIMPLEMENTED, "no Attend"}},
                     {4, {grpc::StatusCode::UNAVAILABLE, "stopping"}}};
  });
  // Another member, which does try again, tells how much time has passed.
  AttendClient other(*NewChannel({.address = server_->address()}));
  std::vector<uint64_t> opened;
  while (std::count(opened.begin(), opened.end(), 4) < 10) {
    attendance_->Keep({.member_id = 3, .epoch = 1});
    other.Keep({.member_id = 4, .epoch = 1});
    opened = coordinator_.Get().opened;
  }
  EXPECT_EQ(std::count(opened.begin(), opened.end(), 3), 1);
}

TEST_F(AttendClientTest, NeverWaitsForACoordinatorThatIsAway) {
  server_->Shutdown(absl::ZeroDuration());
  for (int beat = 0; beat < 100; ++beat) {
    attendance_->Keep({.member_id = 3, .epoch = 1});
  }
  attendance_.reset();
  EXPECT_THAT(coordinator_.Get().opened, SizeIs(0));
}

}  // namespace
}  // namespace aha::rpc
