// How an actor comes to its leases, and how it gives them back completed.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "actor/actor_impl.h"
#include "actor/trajectory.h"
#include "base/log.h"
#include "base/status.h"

namespace aha::actor {
namespace {

constexpr uint32_t kPollMs = 10'000;
// Beyond it an actor whose trajectories nobody takes leases no more.
constexpr uint64_t kMaxUnacknowledgedBytes = 64 << 20;

// A rejection of the identity, after which one joins anew.
bool IsStale(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) || absl::IsNotFound(status);
}

}  // namespace

// Samples that may be leased now.
int64_t Actor::Impl::Room() const {
  if (book.unacknowledged_bytes() > kMaxUnacknowledgedBytes) return 0;
  return 2 * max_rows - engine.load();
}

// False when no more leases are wanted.
bool Actor::Impl::WaitForRoom() {
  MutexLock lock(mutex);
  while (!draining && !ended.cancelled() && Room() <= 0) {
    changed.WaitFor(mutex, absl::Seconds(1));
  }
  return !draining && !ended.cancelled();
}

absl::Status Actor::Impl::LeaseOnce() {
  const rpc::MemberIdentity self = member.identity();
  // Small bites, so that actors that ask at once share a step evenly.
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
      "aha.v1.Coordinator.LeaseGroups", request, &response,
      {.attempt = limit,
       .total = absl::ZeroDuration(),
       .cancel = &lease_calls});
  if (IsStale(status)) member.Rejoin(self);
  AHA_RETURN_IF_ERROR(status);
  if (response.directive() != v1::DIRECTIVE_RUN) {
    OnDirective(response.directive());
  }
  // Joined anew meanwhile: the leases are void.
  const auto stale = [&] {
    const rpc::MemberIdentity now = member.identity();
    return now.member_id != self.member_id || now.epoch != self.epoch;
  };
  for (v1::Lease& lease : *response.mutable_leases()) {
    if (stale()) break;
    const uint64_t id = lease.lease_id();
    if (absl::Status bad = Accept(std::move(lease)); !bad.ok()) Fail(bad);
    // OnRejoined may have cleared the book just before this one came in.
    if (stale()) Forget(id);
  }
  return absl::OkStatus();
}

absl::Status Actor::Impl::Accept(v1::Lease lease) {
  AHA_RETURN_IF_ERROR(ValidateLease(lease));
  v1::GroupContext& group = *lease.mutable_group();
  AHA_ASSIGN_OR_RETURN(const std::vector<int32_t> prompt,
                       parts.codec->Encode(group.prompt_id(), group.prompt()));
  group.mutable_prompt_token_ids()->Assign(prompt.begin(), prompt.end());
  const LeaseBook::Added added =
      book.Add(lease.lease_id(), group, lease.reward_address());
  if (added.replaced.has_value()) engine.Cancel(*added.replaced);
  links->Ensure(lease.reward_address());
  engine.Submit(ToEngineGroup(lease, added.ticket, member.job().seed()));
  return absl::OkStatus();
}

void Actor::Impl::LeaseLoop() {
  absl::Duration back_off = absl::Milliseconds(50);
  while (WaitForRoom()) {
    const absl::Status status = LeaseOnce();
    if (status.ok()) {
      back_off = absl::Milliseconds(50);
      continue;
    }
    if (!absl::IsCancelled(status)) {
      AHA_LOG(kWarning) << "cannot lease groups: " << status.ToString();
    }
    ended.SleepFor(back_off);
    back_off = std::min(back_off * 2, absl::Duration(absl::Seconds(2)));
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
      "aha.v1.Coordinator.CompleteLease", request, &response,
      {.attempt = absl::Seconds(5), .total = patience, .cancel = &ended});
  if (IsStale(status)) member.Rejoin(self);
  if (!status.ok() && !ended.cancelled()) {
    AHA_LOG(kWarning) << "could not complete the lease of " << group.ToString()
                      << ": " << status.ToString();
  }
  book.Drop(lease);
}

}  // namespace aha::actor
