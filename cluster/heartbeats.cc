// A member's registration and its heartbeat thread.
#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/status.h"
#include "cluster/member_impl.h"

namespace aha::rpc {
namespace {

// A coordinator that answers without a job keeps a joining member waiting at
// least this long from then on.
constexpr absl::Duration kIdleCoordinator = absl::Seconds(2);

std::string NewIncarnation() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

// Whether both jobs have the same result.
bool SameJob(v1::Job a, v1::Job b) {
  for (v1::Job* job : {&a, &b}) {
    job->clear_cluster();
    job->clear_checkpoint();
  }
  return a.SerializeAsString() == b.SerializeAsString();
}

// Whether trying again cannot help.  ALREADY_EXISTS is not such an answer: a
// killed process of this name counts as alive until its lease ends.
bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

}  // namespace

Member::Impl::Impl(MemberOptions o, std::unique_ptr<Client> c,
                   std::shared_ptr<grpc::Channel> channel)
    : options(std::move(o)),
      client(std::move(c)),
      attendance(std::move(channel)) {
  request.set_role(options.role);
  request.set_name(options.name);
  request.set_incarnation(NewIncarnation());
  request.set_address(options.address);
  request.set_metrics_address(options.metrics_address);
  request.set_rank(options.rank);
}

CallOptions Member::Impl::Once() {
  return {.attempt = options.call_timeout,
          .total = absl::ZeroDuration(),
          .cancel = &stop};
}

bool Member::Impl::Pause(absl::Duration duration) {
  const absl::Time until = clock() + duration;
  MutexLock lock(mutex);
  while (!stopping && !rejoin_wanted && !beat_now) {
    const absl::Duration left = until - clock();
    if (left <= absl::ZeroDuration()) break;
    changed.WaitFor(mutex, left);
  }
  beat_now = false;
  return !stopping;
}

absl::StatusOr<v1::RegisterResponse> Member::Impl::RegisterUntil(
    absl::Time deadline) {
  const uint64_t jitter_key = JitterKey(options.name);
  const absl::Time began = clock();
  for (int attempt = 0;; ++attempt) {
    const absl::Duration wait = kReconnectBackoff.Wait(attempt, jitter_key);
    v1::RegisterResponse response;
    const absl::Status status = client->Call(&v1::Coordinator::Stub::Register,
                                             request, &response, Once());
    if (status.ok()) {
      attendance.Keep({response.member_id(), response.epoch()});
      return response;
    }
    if (IsRefusal(status)) return status;
    if (absl::IsNotFound(status)) {
      deadline = std::max(deadline, clock() + kIdleCoordinator);
    }
    {
      MutexLock lock(mutex);
      if (stopping) return absl::CancelledError("leaving the cluster");
    }
    if (clock() + wait >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          options.name, " waited ",
          absl::FormatDuration(absl::Trunc(clock() - began, absl::Seconds(1))),
          " to join the coordinator at ", options.coordinator,
          "; last answer: ", status.ToString()));
    }
    if (attempt == 0) {
      AHA_LOG(kInfo) << "waiting for the coordinator at " << options.coordinator
                     << ": " << status.ToString();
    }
    {
      MutexLock lock(mutex);
      rejoin_wanted = false;
    }
    Pause(wait);
  }
}

void Member::Impl::Install(v1::RegisterResponse response) {
  auto shared =
      std::make_shared<const v1::RegisterResponse>(std::move(response));
  MutexLock lock(mutex);
  registration = std::move(shared);
  rejoin_wanted = false;
  joined = true;
}

absl::Duration Member::Impl::Interval() const {
  MutexLock lock(mutex);
  const uint32_t ms = registration->heartbeat_interval_ms();
  return absl::Milliseconds(std::clamp<uint32_t>(ms, 10, 60'000));
}

absl::Duration Member::Impl::Patience() const {
  MutexLock lock(mutex);
  return absl::Seconds(registration->job().cluster().wait_seconds());
}

absl::Status Member::Impl::JoinAnew() {
  AHA_LOG(kWarning) << "the coordinator no longer knows this process; joining "
                       "again";
  AHA_ASSIGN_OR_RETURN(v1::RegisterResponse response,
                       RegisterUntil(clock() + Patience()));
  if (!SameJob(response.job(), job)) {
    // A process serves one job; its supervisor starts another process.
    return absl::AbortedError(absl::StrCat(
        "the coordinator has another job now, ", response.job().name(),
        "; this process began with ", job.name()));
  }
  Install(response);
  MutexLock lock(event_mutex);
  if (events.rejoined) events.rejoined(response);
  return absl::OkStatus();
}

absl::Status Member::Impl::Beat() {
  MemberState state;
  {
    MutexLock lock(event_mutex);
    if (events.state) state = events.state();
  }
  v1::HeartbeatRequest message;
  {
    MutexLock lock(mutex);
    message.set_member_id(registration->member_id());
    message.set_epoch(registration->epoch());
  }
  message.mutable_lease_ids()->Assign(state.lease_ids.begin(),
                                      state.lease_ids.end());
  message.set_waiting_for(state.waiting_for);
  message.set_tokens_per_second(state.tokens_per_second);
  message.set_progress(state.progress);
  v1::HeartbeatResponse response;
  AHA_RETURN_IF_ERROR(client->Call(&v1::Coordinator::Stub::Heartbeat, message,
                                   &response, Once()));
  attendance.Keep({message.member_id(), message.epoch()});
  Deliver(response);
  return absl::OkStatus();
}

void Member::Impl::Deliver(const v1::HeartbeatResponse& response) {
  {
    MutexLock lock(mutex);
    peers.assign(response.peers().begin(), response.peers().end());
    directive = response.directive();
  }
  MutexLock lock(event_mutex);
  if (events.lost_leases && !response.lost_lease_ids().empty()) {
    events.lost_leases(
        {response.lost_lease_ids().begin(), response.lost_lease_ids().end()});
  }
  if (events.directive && response.directive() != last_directive) {
    last_directive = response.directive();
    events.directive(last_directive);
  }
}

void Member::Impl::Loop() {
  absl::Time heard = clock();
  absl::Status last;
  for (;;) {
    bool rejoin = false;
    {
      MutexLock lock(mutex);
      if (stopping) return;
      rejoin = rejoin_wanted;
    }
    last = rejoin ? absl::NotFoundError("asked to join again") : Beat();
    if (absl::IsNotFound(last) || absl::IsFailedPrecondition(last)) {
      last = JoinAnew();
    }
    if (last.ok()) heard = clock();
    const absl::Duration away = clock() - heard;
    if (!last.ok() &&
        (IsRefusal(last) || absl::IsAborted(last) || away > Patience())) {
      break;
    }
    if (!Pause(Interval())) return;
  }
  last = absl::Status(
      last.code(),
      absl::StrCat(
          "lost the coordinator at ", options.coordinator, " ",
          absl::FormatDuration(absl::Trunc(clock() - heard, absl::Seconds(1))),
          " ago: ", last.message()));
  AHA_LOG(kError) << last.ToString();
  MutexLock lock(event_mutex);
  if (events.failed) events.failed(last);
}

}  // namespace aha::rpc
