#include "actor/actor.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "actor/actor_impl.h"
#include "actor/trajectory.h"
#include "base/log.h"
#include "base/status.h"
#include "job/plan.h"

namespace aha::actor {
namespace {

// Sampling is exact: what was refused as malformed will be again.  More than
// once only for what a network or a restart might have garbled.
constexpr int kMaxRefusals = 3;

int64_t LargestGroup(const v1::Job& job) {
  int64_t largest = 1;
  for (const StagePlan& stage : MakePlan(job).stages) {
    largest = std::max<int64_t>(largest, stage.num_generations);
  }
  return largest;
}

}  // namespace

Actor::Impl::Impl(const ActorParts& p)
    : parts(p),
      member(*p.member),
      max_rows(member.job().cluster().max_rows()),
      largest_group(LargestGroup(member.job())),
      patience(absl::Seconds(member.job().cluster().wait_seconds())),
      metrics(*p.metrics),
      engine(p.sampler, &store, clock, MakeEngineEvents()) {}

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
          [this](const PolicyId& id, absl::Duration took) {
            AHA_LOG(kInfo) << "sampling with weights of " << id.ToString()
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

// The job cannot go on; ended from the first such report on.
void Actor::Impl::Fail(const absl::Status& status) {
  {
    MutexLock lock(mutex);
    if (!failure.ok()) return;
    failure = status;
  }
  AHA_LOG(kError) << status.ToString();
  const absl::Status told =
      member.Report(/*fatal=*/true, std::string(status.message()));
  if (!told.ok()) {
    AHA_LOG(kError) << "could not report it: " << told.ToString();
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
      // Not completed: the lease ends by not being renewed.
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

// Something that passes by itself, but not for ever.
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
  // Powers of two: loud, but not for each try.
  if (std::has_single_bit(static_cast<unsigned>(before.count + 1))) {
    AHA_LOG(kWarning) << "group of " << group.ToString()
                      << " is sent again: " << why.ToString();
  }
  book.ResendLater(group, replica, replica,
                   absl::Milliseconds(100) * (1 << std::min(before.count, 5)));
}

void Actor::Impl::Refused(uint64_t lease, const GroupId& group,
                          const absl::Status& why) {
  Forget(lease);
  int times = 0;
  {
    MutexLock lock(mutex);
    // Steps that are over are not refused again; with lag there are two.
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
    AHA_LOG(kError) << "and the coordinator could not be told";
  }
}

void Actor::Impl::OnDirective(v1::Directive directive) {
  if (directive == v1::DIRECTIVE_STOP) {
    AHA_LOG(kInfo) << "told to stop";
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
  store.Clear();
  engine.Reset();
  MutexLock lock(mutex);
  completions.clear();
  refusals.clear();
  changed.NotifyAll();
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
      bulk.get(), &store, [this] { return member.identity().epoch; }, patience,
      MakeFetcherEvents());
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
