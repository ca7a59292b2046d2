// The implementation of Member, shared by member.cc (calls of the owner) and
// heartbeats.cc (the heartbeat thread).
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/cancellation.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cluster/attend_client.h"
#include "cluster/member.h"
#include "rpc/client.h"

namespace aha::rpc {

struct Member::Impl {
  Impl(MemberOptions o, std::unique_ptr<Client> c,
       std::shared_ptr<grpc::Channel> channel);

  // One attempt, cut short by Stop.
  CallOptions Once();

  // Registers, with retries until `deadline`, and opens the attendance stream.
  absl::StatusOr<v1::RegisterResponse> RegisterUntil(absl::Time deadline);
  void Install(v1::RegisterResponse response);
  // Returns false if Stop was called meanwhile.
  bool Pause(absl::Duration duration);

  void Loop();
  absl::Status Beat();
  void Deliver(const v1::HeartbeatResponse& response);
  absl::Status JoinAnew();
  absl::Duration Interval() const;
  absl::Duration Patience() const;

  const MemberOptions options;
  const std::unique_ptr<Client> client;
  Cancellation stop;  // Ends calls in flight.
  const Clock clock = MonotonicClock();
  // The heartbeat thread's after Join.
  v1::RegisterRequest request;
  AttendClient attendance;

  Mutex event_mutex;  // Held while an event runs, so that Leave can wait.
  MemberEvents events ABSL_GUARDED_BY(event_mutex);
  v1::Directive last_directive ABSL_GUARDED_BY(event_mutex) = v1::DIRECTIVE_RUN;

  mutable Mutex mutex;
  CondVar changed;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool joined ABSL_GUARDED_BY(mutex) = false;
  bool rejoin_wanted ABSL_GUARDED_BY(mutex) = false;
  bool beat_now ABSL_GUARDED_BY(mutex) = false;
  std::shared_ptr<const v1::RegisterResponse> registration
      ABSL_GUARDED_BY(mutex) = std::make_shared<v1::RegisterResponse>();
  v1::Job job;  // Written by Join before it returns, then constant.
  std::vector<v1::Peer> peers ABSL_GUARDED_BY(mutex);
  v1::Directive directive ABSL_GUARDED_BY(mutex) = v1::DIRECTIVE_RUN;
  std::thread heartbeats;  // Touched by Join and Stop only.
  Mutex thread_mutex;
};

}  // namespace aha::rpc
