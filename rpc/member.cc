#include "rpc/member.h"

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "rpc/cancellation.h"

namespace aha::rpc {
namespace {

constexpr absl::Duration kFirstBackOff = absl::Milliseconds(50);
constexpr absl::Duration kLongestBackOff = absl::Milliseconds(500);

std::string NewIncarnation() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

// What decides the result.
bool SameJob(v1::Job a, v1::Job b) {
  for (v1::Job* job : {&a, &b}) {
    job->clear_cluster();
    job->clear_checkpoint();
  }
  return a.SerializeAsString() == b.SerializeAsString();
}

// ALREADY_EXISTS is not final: a killed process of this name is believed alive
// until its lease ends.
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

absl::Status MemberOptions::Validate() const {
  if (role == v1::ROLE_UNSPECIFIED) {
    return absl::InvalidArgumentError("member: role is required");
  }
  if (name.empty() || name.size() > 128) {
    return absl::InvalidArgumentError(absl::StrCat(
        "member: name must have 1 to 128 characters, got ", name.size()));
  }
  if (call_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("member: call_timeout must be positive");
  }
  return absl::OkStatus();
}

struct Member::Impl {
  Impl(MemberOptions o, std::unique_ptr<Client> c)
      : options(std::move(o)), client(std::move(c)) {
    request.set_role(options.role);
    request.set_name(options.name);
    request.set_incarnation(NewIncarnation());
    request.set_address(options.address);
    request.set_metrics_address(options.metrics_address);
    request.set_rank(options.rank);
  }

  // One attempt, cut short by Stop.
  absl::Status Call(absl::string_view method,
                    const google::protobuf::Message& message,
                    google::protobuf::Message* response) {
    return client->Call(absl::StrCat("aha.v1.Coordinator.", method), message,
                        response,
                        {.attempt = options.call_timeout,
                         .total = absl::ZeroDuration(),
                         .cancel = &stop});
  }

  absl::Status RegisterOnce(v1::RegisterResponse* response) {
    return Call("Register", request, response);
  }

  // Retries until `deadline`.
  absl::StatusOr<v1::RegisterResponse> RegisterUntil(absl::Time deadline);
  void Install(v1::RegisterResponse response);
  // False if Stop was called meanwhile.
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
  v1::RegisterRequest request;  // The heartbeat thread's after Join.

  Mutex event_mutex;  // Held while an event runs, so that Leave can wait.
  MemberEvents events ABSL_GUARDED_BY(event_mutex);
  v1::Directive told ABSL_GUARDED_BY(event_mutex) = v1::DIRECTIVE_RUN;

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
  absl::Duration back_off = kFirstBackOff;
  const absl::Time began = clock();
  bool logged = false;
  for (;;) {
    v1::RegisterResponse response;
    const absl::Status status = RegisterOnce(&response);
    if (status.ok()) return response;
    if (IsRefusal(status)) return status;
    // A standing coordinator without a job: it lives, and one will come.
    if (absl::IsNotFound(status)) {
      deadline = std::max(deadline, clock() + kLongestBackOff * 4);
    }
    {
      MutexLock lock(mutex);
      if (stopping) return absl::CancelledError("leaving the cluster");
    }
    if (clock() + back_off >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          options.name, " waited ",
          absl::FormatDuration(absl::Trunc(clock() - began, absl::Seconds(1))),
          " to join the coordinator at ", options.coordinator,
          "; last answer: ", status.ToString()));
    }
    if (!logged) {
      AHA_LOG(kInfo) << "waiting for the coordinator at " << options.coordinator
                     << ": " << status.ToString();
      logged = true;
    }
    {
      MutexLock lock(mutex);
      rejoin_wanted = false;
    }
    Pause(back_off);
    back_off = std::min(back_off * 2, kLongestBackOff);
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
  AHA_LOG(kWarning) << "the coordinator does not know this process any more; "
                       "joining anew";
  AHA_ASSIGN_OR_RETURN(v1::RegisterResponse response,
                       RegisterUntil(clock() + Patience()));
  if (!SameJob(response.job(), job)) {
    // A process starts anew for a new job; its supervisor sees to that.
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
  v1::HeartbeatResponse response;
  AHA_RETURN_IF_ERROR(Call("Heartbeat", message, &response));
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
  if (events.directive && response.directive() != told) {
    told = response.directive();
    events.directive(told);
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
    last = rejoin ? absl::NotFoundError("asked to join anew") : Beat();
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

Member::Member(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Member>> Member::New(MemberOptions options) {
  AHA_RETURN_IF_ERROR(options.Validate());
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Client> client,
                       Client::New({.address = options.coordinator,
                                    .security = options.security}));
  return std::unique_ptr<Member>(new Member(
      std::make_unique<Impl>(std::move(options), std::move(client))));
}

Member::~Member() { Stop(); }

absl::Status Member::Join(absl::Duration timeout, const Certifier& certify) {
  const absl::Time deadline = impl_->clock() + timeout;
  AHA_ASSIGN_OR_RETURN(v1::RegisterResponse response,
                       impl_->RegisterUntil(deadline));
  if (certify) {
    AHA_ASSIGN_OR_RETURN(*impl_->request.mutable_certificate(),
                         certify(response));
    AHA_ASSIGN_OR_RETURN(response, impl_->RegisterUntil(deadline));
  }
  AHA_LOG(kInfo) << "joined " << impl_->options.coordinator << " as "
                 << impl_->options.name << ", epoch " << response.epoch();
  impl_->job = response.job();
  impl_->Install(std::move(response));
  MutexLock lock(impl_->thread_mutex);
  {
    MutexLock inner(impl_->mutex);
    if (impl_->stopping) return absl::CancelledError("leaving the cluster");
  }
  impl_->heartbeats = std::thread([impl = impl_.get()] { impl->Loop(); });
  return absl::OkStatus();
}

void Member::Serve(MemberEvents events) {
  {
    MutexLock lock(impl_->event_mutex);
    impl_->events = std::move(events);
  }
  MutexLock lock(impl_->mutex);
  impl_->beat_now = true;
  impl_->changed.NotifyAll();
}

void Member::Interrupt() {
  {
    MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.NotifyAll();
  }
  impl_->stop.Cancel();
}

void Member::Stop() {
  Interrupt();
  MutexLock lock(impl_->thread_mutex);
  if (impl_->heartbeats.joinable()) impl_->heartbeats.join();
}

void Member::Leave() {
  Stop();
  v1::LeaveRequest request;
  {
    MutexLock lock(impl_->mutex);
    if (!impl_->joined) return;
    impl_->joined = false;
    request.set_member_id(impl_->registration->member_id());
    request.set_epoch(impl_->registration->epoch());
  }
  // Short: who leaves should not wait for a coordinator that is gone.
  const absl::Duration patience =
      std::min(impl_->options.call_timeout, absl::Seconds(2));
  v1::LeaveResponse response;
  const absl::Status status =
      impl_->client->Call("aha.v1.Coordinator.Leave", request, &response,
                          {.attempt = patience, .total = absl::ZeroDuration()});
  if (!status.ok()) {
    AHA_LOG(kWarning) << "could not tell the coordinator that "
                      << impl_->options.name
                      << " leaves: " << status.ToString();
  }
}

void Member::Rejoin(const MemberIdentity& seen) {
  MutexLock lock(impl_->mutex);
  if (impl_->registration->member_id() != seen.member_id ||
      impl_->registration->epoch() != seen.epoch) {
    return;
  }
  impl_->rejoin_wanted = true;
  impl_->changed.NotifyAll();
}

MemberIdentity Member::identity() const {
  MutexLock lock(impl_->mutex);
  return {.member_id = impl_->registration->member_id(),
          .epoch = impl_->registration->epoch()};
}

std::shared_ptr<const v1::RegisterResponse> Member::registration() const {
  MutexLock lock(impl_->mutex);
  return impl_->registration;
}

const v1::Job& Member::job() const { return impl_->job; }

std::vector<v1::Peer> Member::peers() const {
  MutexLock lock(impl_->mutex);
  return impl_->peers;
}

v1::Directive Member::directive() const {
  MutexLock lock(impl_->mutex);
  return impl_->directive;
}

absl::Status Member::Report(bool fatal, const std::string& message) {
  v1::ReportProblemRequest request;
  const MemberIdentity self = identity();
  request.set_member_id(self.member_id);
  request.set_epoch(self.epoch);
  request.set_fatal(fatal);
  request.set_message(message);
  v1::ReportProblemResponse response;
  return impl_->client->Call(
      "aha.v1.Coordinator.ReportProblem", request, &response,
      {.attempt = impl_->options.call_timeout, .total = absl::ZeroDuration()});
}

Client& Member::coordinator() const { return *impl_->client; }

}  // namespace aha::rpc
