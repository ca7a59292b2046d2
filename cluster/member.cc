#include "cluster/member.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "base/log.h"
#include "base/status.h"
#include "cluster/member_impl.h"
#include "rpc/channel.h"

namespace aha::rpc {
namespace {

// Sends heartbeats for a member that is busy (its certificate takes a while)
// before its own heartbeats begin.
class EarlyHeartbeats {
 public:
  EarlyHeartbeats(Client& client, const v1::RegisterResponse& joined)
      : thread_([this, &client, joined] { Run(client, joined); }) {}
  ~EarlyHeartbeats() {
    over_.Cancel();
    thread_.join();
  }
  EarlyHeartbeats(const EarlyHeartbeats&) = delete;
  EarlyHeartbeats& operator=(const EarlyHeartbeats&) = delete;

 private:
  void Run(Client& client, const v1::RegisterResponse& joined) {
    const absl::Duration interval =
        std::max(absl::Milliseconds(10),
                 absl::Milliseconds(joined.heartbeat_interval_ms()));
    v1::HeartbeatRequest request;
    request.set_member_id(joined.member_id());
    request.set_epoch(joined.epoch());
    request.set_waiting_for("its own certificate");
    while (!over_.SleepFor(interval)) {
      v1::HeartbeatResponse response;
      // A failed heartbeat does not matter here: the member registers next.
      client
          .Call(&v1::Coordinator::Stub::Heartbeat, request, &response,
                {.total = absl::ZeroDuration(), .cancel = &over_})
          .IgnoreError();
    }
  }

  Cancellation over_;
  std::thread thread_;
};

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

Member::Member(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

absl::StatusOr<std::unique_ptr<Member>> Member::New(MemberOptions options) {
  AHA_RETURN_IF_ERROR(options.Validate());
  AHA_ASSIGN_OR_RETURN(std::unique_ptr<Client> client,
                       Client::New({.address = options.coordinator,
                                    .security = options.security}));
  AHA_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel,
                       NewChannel({.address = options.coordinator,
                                   .security = options.security}));
  return std::unique_ptr<Member>(new Member(std::make_unique<Impl>(
      std::move(options), std::move(client), std::move(channel))));
}

Member::~Member() { Stop(); }

absl::Status Member::Join(absl::Duration timeout, const Certifier& certify) {
  const absl::Time deadline = impl_->clock() + timeout;
  AHA_ASSIGN_OR_RETURN(v1::RegisterResponse response,
                       impl_->RegisterUntil(deadline));
  if (certify) {
    absl::StatusOr<v1::Certificate> certificate;
    {
      const EarlyHeartbeats kept(*impl_->client, response);
      certificate = certify(response);
    }
    AHA_ASSIGN_OR_RETURN(*impl_->request.mutable_certificate(),
                         std::move(certificate));
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
  // Short, because a leaving member should not wait for a coordinator that is
  // gone.
  const absl::Duration patience =
      std::min(impl_->options.call_timeout, absl::Seconds(2));
  v1::LeaveResponse response;
  const absl::Status status =
      impl_->client->Call(&v1::Coordinator::Stub::Leave, request, &response,
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
  request.set_fatal(fatal);
  request.set_message(message);
  return Send(std::move(request));
}

absl::Status Member::ReportNotReproducible(const std::string& why) {
  v1::ReportProblemRequest request;
  request.set_message(why);
  request.set_not_reproducible(true);
  return Send(std::move(request));
}

absl::Status Member::Send(v1::ReportProblemRequest request) {
  const MemberIdentity self = identity();
  request.set_member_id(self.member_id);
  request.set_epoch(self.epoch);
  v1::ReportProblemResponse response;
  return impl_->client->Call(
      &v1::Coordinator::Stub::ReportProblem, request, &response,
      {.attempt = impl_->options.call_timeout, .total = absl::ZeroDuration()});
}

Client& Member::coordinator() const { return *impl_->client; }

}  // namespace aha::rpc
