#include "actor/actor.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "actor/lease_book.h"
#include "actor/rate_meter.h"
#include "actor/reward_links.h"
#include "actor/rollout_engine.h"
#include "actor/rollout_metrics.h"
#include "actor/trajectory.h"
#include "actor/weight_exchange.h"
#include "actor/weights_fetcher.h"
#include "aha/v1/coordinator.grpc.pb.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "job/plan.h"
#include "rpc/client.h"

namespace aha::actor {
namespace {

// A group that is refused as malformed is sampled again, with the same result;
// it is tried more than once only because a network or a restart might have
// garbled it.
constexpr int kMaxRefusals = 3;

int64_t LargestGroup(const v1::Job& job) {
  int64_t largest = 1;
  for (const StagePlan& stage : MakePlan(job).stages) {
    largest = std::max<int64_t>(largest, stage.num_generations);
  }
  return largest;
}

constexpr uint32_t kPollMs = 10'000;
// When more than this many bytes await acknowledgement, the actor stops
// requesting leases.
constexpr uint64_t kMaxUnacknowledgedBytes = 64 << 20;

// Whether the coordinator rejects this member, which then joins again.
bool IsStale(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsNotFound(status);
}

}  // namespace

struct Actor::Impl {
  explicit Impl(const ActorParts& p);

  EngineEvents MakeEngineEvents();
  WeightsFetcherEvents MakeFetcherEvents();
  RewardLinkEvents MakeLinkEvents();
  rpc::MemberEvents MakeMemberEvents();

  absl::Status Run(rpc::Cancellation& stop);
  void Shutdown();

  // The lease thread requests leases while there is room for more samples.
  void LeaseLoop();
  int64_t Room() const;
  bool WaitForRoom();
  absl::Status LeaseOnce();
  absl::Status Accept(v1::Lease lease);

  // The completion thread completes the leases of acknowledged groups.
  void CompleteLoop();
  void Complete(uint64_t lease, const GroupId& group);

  void OnSample(const Sample& sample);
  void OnAck(const std::string& replica, const v1::GroupAck& ack);
  void Refused(uint64_t lease, const GroupId& group, const absl::Status& why);
  void NotTaken(uint64_t lease, const GroupId& group,
                const std::string& replica, const absl::Status& why);
  void OnDirective(v1::Directive directive);
  void OnRejoined();
  std::vector<std::string> Replicas() const;
  std::string AnotherReplica(const std::string& replica) const;
  std::string WaitingFor() const;
  void Fail(const absl::Status& status);
  void Forget(uint64_t lease);
  void EndIfDrained();
  void Signal();

  const ActorParts parts;
  rpc::Member& member;
  const int64_t max_rows;
  const int64_t largest_group;
  const absl::Duration patience;
  const Clock clock = MonotonicClock();
  RolloutMetrics metrics;
  RateMeter rate{clock};
  std::atomic<uint64_t> sampled_tokens{0};
  WeightExchange exchange;
  LeaseBook book{clock};
  RolloutEngine engine;
  rpc::Cancellation ended;  // Ends the waits of all threads.
  std::unique_ptr<rpc::Client> bulk;

  Mutex mutex;
  CondVar changed;
  bool draining ABSL_GUARDED_BY(mutex) = false;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  std::deque<std::pair<uint64_t, GroupId>> completions ABSL_GUARDED_BY(mutex);
  // How often each group of the latest steps was refused as malformed.
  std::map<GroupId, int> refusals ABSL_GUARDED_BY(mutex);
  // Cancelled when draining begins.
  rpc::Cancellation lease_calls;

  std::unique_ptr<RewardLinks> links;
  std::unique_ptr<WeightsFetcher> fetcher;
  std::thread lease_thread;
  std::thread complete_thread;
};

Actor::Impl::Impl(const ActorParts& p)
    : parts(p),
      member(*p.member),
      max_rows(member.job().cluster().max_rows()),
      largest_group(LargestGroup(member.job())),
      patience(absl::Seconds(member.job().cluster().wait_seconds())),
      metrics(*p.metrics),
      engine(p.sampler, &exchange, clock, MakeEngineEvents()) {}

EngineEvents Actor::Impl::MakeEngineEvents() {
  return {
      .sampled = [this](const Sample& sample) { OnSample(sample); },
      .refused =
          [this](const EngineGroup& group, const absl::Status& why) {
            Forget(group.request.id);
            Fail(absl::Status(
                why.code(), absl::StrCat("group of ", group.id.ToString(), ": ",
                                         why.message())));
          },
      .swapped =
          [this](const WeightsId& id, absl::Duration took) {
            AHA_LOG(kInfo) << "sampling with weights " << id.ToString()
                           << " (loaded in " << absl::FormatDuration(took)
                           << ")";
            metrics.Swapped(id);
          },
      .stepped =
          [this](int64_t tokens, absl::Duration took) {
            rate.Add(static_cast<double>(tokens), took);
            sampled_tokens += static_cast<uint64_t>(tokens);
            metrics.Stepped(tokens);
          },
      .waited = [this](const std::string& what,
                       absl::Duration took) { metrics.Waited(what, took); }};
}

WeightsFetcherEvents Actor::Impl::MakeFetcherEvents() {
  return {.arrived = [this] { engine.Wake(); },
          .received = [this](uint64_t bytes) { metrics.ReceivedBytes(bytes); },
          .mismatched = [this] { metrics.Mismatched(); },
          .failed = [this](const absl::Status& why) { Fail(why); }};
}

RewardLinkEvents Actor::Impl::MakeLinkEvents() {
  return {.living = [this] { return Replicas(); },
          .ack = [this](const std::string& replica,
                        const v1::GroupAck& ack) { OnAck(replica, ack); },
          .waited =
              [this](absl::Duration took) {
                metrics.Waited("reward_credit", took);
              }};
}

rpc::MemberEvents Actor::Impl::MakeMemberEvents() {
  return {.state =
              [this] {
                return rpc::MemberState{.lease_ids = book.leases(),
                                        .waiting_for = WaitingFor(),
                                        .tokens_per_second = rate.PerSecond(),
                                        .progress = sampled_tokens};
              },
          .directive = [this](v1::Directive d) { OnDirective(d); },
          .lost_leases =
              [this](const std::vector<uint64_t>& leases) {
                AHA_LOG(kWarning) << leases.size() << " leases were lost";
                for (uint64_t lease : leases) Forget(lease);
              },
          .rejoined = [this](const v1::RegisterResponse&) { OnRejoined(); },
          .failed =
              [this](const absl::Status& status) {
                MutexLock lock(mutex);
                failure.Update(status);
                ended.Cancel();
              }};
}

std::vector<std::string> Actor::Impl::Replicas() const {
  std::vector<std::string> addresses;
  for (const v1::Peer& peer : member.peers()) {
    if (peer.role() == v1::ROLE_REWARD) addresses.push_back(peer.address());
  }
  return addresses;
}

// The living replica behind `replica`, in the order of addresses; itself if
// there is no other.  What one could not score, another one may.
std::string Actor::Impl::AnotherReplica(const std::string& replica) const {
  std::vector<std::string> addresses = Replicas();
  if (addresses.empty()) return replica;
  std::sort(addresses.begin(), addresses.end());
  const auto next =
      std::upper_bound(addresses.begin(), addresses.end(), replica);
  return next == addresses.end() ? addresses.front() : *next;
}

std::string Actor::Impl::WaitingFor() const {
  std::string waiting = engine.waiting_for();
  if (waiting.empty() || book.unacknowledged_trajectories() == 0 ||
      engine.load() > 0) {
    return waiting;
  }
  return absl::StrCat("acknowledgements of ",
                      book.unacknowledged_trajectories(),
                      " trajectories by the reward service");
}

void Actor::Impl::Signal() {
  MutexLock lock(mutex);
  changed.NotifyAll();
}

void Actor::Impl::Forget(uint64_t lease) {
  const std::optional<uint64_t> ticket = book.Drop(lease);
  if (ticket.has_value()) engine.Cancel(*ticket);
  EndIfDrained();
}

void Actor::Impl::EndIfDrained() {
  {
    MutexLock lock(mutex);
    changed.NotifyAll();
    if (!draining || !book.empty()) return;
  }
  ended.Cancel();
}

// Ends the actor because the job cannot continue.  Only the first failure is
// reported.
void Actor::Impl::Fail(const absl::Status& status) {
  {
    MutexLock lock(mutex);
    if (!failure.ok()) return;
    failure = status;
  }
  AHA_LOG(kError) << status.ToString();
  const absl::Status reported =
      member.Report(/*fatal=*/true, std::string(status.message()));
  if (!reported.ok()) {
    AHA_LOG(kError) << "could not report it: " << reported.ToString();
  }
  ended.Cancel();
}

void Actor::Impl::OnSample(const Sample& sample) {
  metrics.Sampled(sample);
  book.AddTrajectory(sample.group,
                     ToTrajectory(sample, parts.codec->Decode(sample.tokens)));
  Signal();
}

void Actor::Impl::OnAck(const std::string& replica, const v1::GroupAck& ack) {
  const GroupId group = GroupId::Of(ack.key());
  const std::optional<uint64_t> lease = book.LeaseOf(group);
  if (!lease.has_value()) return;
  const absl::Status status(static_cast<absl::StatusCode>(ack.code()),
                            ack.message());
  switch (status.code()) {
    case absl::StatusCode::kOk: {
      book.Acknowledge(group);
      MutexLock lock(mutex);
      completions.emplace_back(*lease, group);
      changed.NotifyAll();
      return;
    }
    case absl::StatusCode::kFailedPrecondition:
      // The lease is not completed; it ends because it is not renewed.
      AHA_LOG(kWarning) << "group of " << group.ToString()
                        << " is not wanted: " << status.ToString();
      return Forget(*lease);
    case absl::StatusCode::kInvalidArgument:
      return Refused(*lease, group, status);
    case absl::StatusCode::kDataLoss:
      Forget(*lease);
      return Fail(absl::DataLossError(
          absl::StrCat("group of ", group.ToString(), ": ", status.message())));
    default:
      return NotTaken(*lease, group, replica, status);
  }
}

// Handles an answer that may change by itself: the group is sent again, for
// `patience` at most.
void Actor::Impl::NotTaken(uint64_t lease, const GroupId& group,
                           const std::string& replica,
                           const absl::Status& why) {
  const LeaseBook::Attempts before = book.attempts(group);
  if (before.since > patience) {
    Forget(lease);
    return Fail(absl::DeadlineExceededError(absl::StrCat(
        "group of ", group.ToString(), " was sent ", before.count + 1,
        " times in ",
        absl::FormatDuration(absl::Trunc(before.since, absl::Seconds(1))),
        " and not taken (cluster.wait_seconds); reward replica ", replica,
        " says: ", why.ToString())));
  }
  // Logged at powers of two only.
  if (std::has_single_bit(static_cast<unsigned>(before.count + 1))) {
    AHA_LOG(kWarning) << "group of " << group.ToString()
                      << " is sent again: " << why.ToString();
  }
  // Several times before the learner's wait for the group is over, which lasts
  // longer while it sees that something is tried.
  const std::string other = AnotherReplica(replica);
  book.ResendLater(
      group, replica, other,
      std::min(kResendBackoff.Wait(before.count, JitterKey(replica)),
               patience / 4));
  links->Ensure(other);
}

void Actor::Impl::Refused(uint64_t lease, const GroupId& group,
                          const absl::Status& why) {
  Forget(lease);
  int times = 0;
  {
    MutexLock lock(mutex);
    // Groups of finished steps are not refused again; with lag two steps are
    // under way.
    const GroupId oldest{group.stage, group.step - (group.step > 0), 0};
    refusals.erase(refusals.begin(), refusals.lower_bound(oldest));
    times = ++refusals[group];
  }
  const std::string text =
      absl::StrCat("group of ", group.ToString(), " was refused (", times,
                   " of ", kMaxRefusals, " times): ", why.message());
  if (times >= kMaxRefusals) return Fail(absl::InvalidArgumentError(text));
  AHA_LOG(kError) << text;
  if (!member.Report(/*fatal=*/false, text).ok()) {
    AHA_LOG(kError) << "the coordinator could not be informed of it";
  }
}

void Actor::Impl::OnDirective(v1::Directive directive) {
  if (directive == v1::DIRECTIVE_STOP) {
    AHA_LOG(kInfo) << "the coordinator ends this actor";
    ended.Cancel();
  } else if (directive == v1::DIRECTIVE_DRAIN) {
    {
      MutexLock lock(mutex);
      if (draining) return;
      draining = true;
      changed.NotifyAll();
    }
    AHA_LOG(kInfo) << "draining: finishing " << book.leases().size()
                   << " groups";
    lease_calls.Cancel();
    EndIfDrained();
  }
}

void Actor::Impl::OnRejoined() {
  book.Clear();
  exchange.Clear();
  engine.Reset();
  MutexLock lock(mutex);
  completions.clear();
  refusals.clear();
  changed.NotifyAll();
}

// The number of samples that may be leased now.
int64_t Actor::Impl::Room() const {
  if (book.unacknowledged_bytes() > kMaxUnacknowledgedBytes) return 0;
  return 2 * max_rows - engine.load();
}

// Returns false when no more leases are wanted.
bool Actor::Impl::WaitForRoom() {
  MutexLock lock(mutex);
  while (!draining && !ended.cancelled() && Room() <= 0) {
    changed.WaitFor(mutex, absl::Seconds(1));
  }
  return !draining && !ended.cancelled();
}

absl::Status Actor::Impl::LeaseOnce() {
  const rpc::MemberIdentity self = member.identity();
  // A quarter at a time, so that actors that ask at once share a step evenly.
  const int64_t samples = std::min(Room(), std::max<int64_t>(max_rows / 4, 1));
  v1::LeaseGroupsRequest request;
  request.set_member_id(self.member_id);
  request.set_epoch(self.epoch);
  request.set_max_groups(
      static_cast<uint32_t>(std::max<int64_t>(samples / largest_group, 1)));
  request.set_wait_ms(kPollMs);
  v1::LeaseGroupsResponse response;
  const absl::Duration limit = absl::Milliseconds(kPollMs) + absl::Seconds(5);
  const absl::Status status = member.coordinator().Call(
      &v1::Coordinator::Stub::LeaseGroups, request, &response,
      {.attempt = limit,
       .total = absl::ZeroDuration(),
       .cancel = &lease_calls});
  if (IsStale(status)) member.Rejoin(self);
  AHA_RETURN_IF_ERROR(status);
  if (response.directive() != v1::DIRECTIVE_RUN) {
    OnDirective(response.directive());
  }
  // Whether the member joined again meanwhile, which voids the leases.
  const auto stale = [&] {
    const rpc::MemberIdentity now = member.identity();
    return now.member_id != self.member_id || now.epoch != self.epoch;
  };
  for (v1::Lease& lease : *response.mutable_leases()) {
    if (stale()) break;
    const uint64_t id = lease.lease_id();
    if (absl::Status bad = Accept(std::move(lease)); !bad.ok()) Fail(bad);
    // OnRejoined may have cleared the book just before this lease was added.
    if (stale()) Forget(id);
  }
  return absl::OkStatus();
}

absl::Status Actor::Impl::Accept(v1::Lease lease) {
  AHA_RETURN_IF_ERROR(ValidateLease(lease));
  v1::GroupContext& group = *lease.mutable_group();
  AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt,
                       parts.codec->Encode(group));
  group.mutable_prompt_token_ids()->Assign(prompt.begin(), prompt.end());
  AHA_ASSIGN_OR_RETURN(*group.mutable_opening(), parts.codec->Opening(group));
  const LeaseBook::Added added =
      book.Add(lease.lease_id(), group, lease.reward_address());
  if (added.replaced.has_value()) engine.Cancel(*added.replaced);
  links->Ensure(lease.reward_address());
  engine.Submit(ToEngineGroup(lease, added.ticket, member.job().seed()));
  return absl::OkStatus();
}

void Actor::Impl::LeaseLoop() {
  const uint64_t jitter_key = JitterKey("leases");
  int failures = 0;  // In a row.
  while (WaitForRoom()) {
    const absl::Status status = LeaseOnce();
    if (status.ok()) {
      failures = 0;
      continue;
    }
    if (!absl::IsCancelled(status)) {
      AHA_LOG(kWarning) << "cannot lease groups: " << status.ToString();
    }
    ended.SleepFor(kCallBackoff.Wait(failures++, jitter_key));
  }
}

void Actor::Impl::CompleteLoop() {
  for (;;) {
    std::pair<uint64_t, GroupId> next;
    {
      MutexLock lock(mutex);
      while (completions.empty() && !ended.cancelled()) changed.Wait(mutex);
      if (ended.cancelled()) return;
      next = completions.front();
      completions.pop_front();
    }
    Complete(next.first, next.second);
    EndIfDrained();
  }
}

void Actor::Impl::Complete(uint64_t lease, const GroupId& group) {
  const rpc::MemberIdentity self = member.identity();
  v1::CompleteLeaseRequest request;
  request.set_member_id(self.member_id);
  request.set_epoch(self.epoch);
  request.set_lease_id(lease);
  *request.mutable_key() = group.ToProto();
  v1::CompleteLeaseResponse response;
  const absl::Status status = member.coordinator().Call(
      &v1::Coordinator::Stub::CompleteLease, request, &response,
      {.attempt = absl::Seconds(5), .total = patience, .cancel = &ended});
  if (IsStale(status)) member.Rejoin(self);
  if (!status.ok() && !ended.cancelled()) {
    AHA_LOG(kWarning) << "could not complete the lease of " << group.ToString()
                      << ": " << status.ToString();
  }
  book.Drop(lease);
}

absl::Status Actor::Impl::Run(rpc::Cancellation& stop) {
  AHA_ASSIGN_OR_RETURN(
      bulk, rpc::Client::New({.address = member.coordinator().address(),
                              .kind = rpc::ChannelKind::kBulk,
                              .security = parts.security}));
  const rpc::Cancellation::Registration stopped(&stop,
                                                [this] { ended.Cancel(); });
  const rpc::Cancellation::Registration wake(&ended, [this] {
    engine.Stop();
    lease_calls.Cancel();
  });
  links =
      std::make_unique<RewardLinks>(&book, parts.security, MakeLinkEvents());
  fetcher = std::make_unique<WeightsFetcher>(
      bulk.get(), &exchange, [this] { return member.identity().epoch; },
      patience, MakeFetcherEvents());
  member.Serve(MakeMemberEvents());
  lease_thread = std::thread([this] { LeaseLoop(); });
  complete_thread = std::thread([this] { CompleteLoop(); });
  const absl::Status status = engine.Run();
  if (!status.ok()) Fail(status);
  Shutdown();
  MutexLock lock(mutex);
  return failure;
}

void Actor::Impl::Shutdown() {
  ended.Cancel();
  Signal();
  if (lease_thread.joinable()) lease_thread.join();
  if (complete_thread.joinable()) complete_thread.join();
  if (fetcher != nullptr) fetcher->Stop();
  if (links != nullptr) links->Stop();
  member.Serve({});
}

Actor::Actor(const ActorParts& parts) : impl_(std::make_unique<Impl>(parts)) {}

Actor::~Actor() { impl_->Shutdown(); }

absl::Status Actor::Run(rpc::Cancellation& stop) { return impl_->Run(stop); }

}  // namespace aha::actor
