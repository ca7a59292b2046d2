#include "actor/lease_book.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"

namespace aha::actor {

void LeaseBook::Release(Held& held) {
  bytes_ -= std::exchange(held.bytes, 0);
  trajectories_ -= held.trajectories.size();
  held.trajectories.clear();
}

void LeaseBook::Erase(std::map<GroupId, Held>::iterator it) {
  Release(it->second);
  by_lease_.erase(it->second.lease);
  by_ticket_.erase(it->second.ticket);
  groups_.erase(it);
}

LeaseBook::Added LeaseBook::Add(uint64_t lease, v1::GroupContext context,
                                const std::string& replica) {
  const GroupId id = GroupId::Of(context.key());
  MutexLock lock(mutex_);
  Added added;
  if (const auto it = groups_.find(id); it != groups_.end()) {
    added.replaced = it->second.ticket;
    Erase(it);
  }
  added.ticket = next_ticket_++;
  Held& held = groups_[id];
  held.lease = lease;
  held.ticket = added.ticket;
  held.replica = replica;
  held.context = std::move(context);
  held.not_before = clock_();
  by_lease_[lease] = id;
  by_ticket_[added.ticket] = id;
  changed_.NotifyAll();
  return added;
}

bool LeaseBook::AddTrajectory(uint64_t ticket, v1::Trajectory trajectory) {
  MutexLock lock(mutex_);
  const auto it = by_ticket_.find(ticket);
  if (it == by_ticket_.end()) return false;
  Held& held = groups_.at(it->second);
  if (held.acknowledged) return false;
  const uint64_t bytes = trajectory.ByteSizeLong();
  held.bytes += bytes;
  bytes_ += bytes;
  ++trajectories_;
  held.trajectories.push_back(std::move(trajectory));
  changed_.NotifyAll();
  return true;
}

void LeaseBook::Acknowledge(const GroupId& group) {
  MutexLock lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  it->second.acknowledged = true;
  Release(it->second);
  changed_.NotifyAll();
}

std::vector<uint64_t> LeaseBook::leases() const {
  MutexLock lock(mutex_);
  std::vector<uint64_t> leases;
  for (const auto& [lease, group] : by_lease_) leases.push_back(lease);
  return leases;
}

std::optional<uint64_t> LeaseBook::LeaseOf(const GroupId& group) const {
  MutexLock lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return std::nullopt;
  return it->second.lease;
}

std::optional<uint64_t> LeaseBook::Drop(uint64_t lease) {
  MutexLock lock(mutex_);
  const auto it = by_lease_.find(lease);
  if (it == by_lease_.end()) return std::nullopt;
  const auto held = groups_.find(it->second);
  const uint64_t ticket = held->second.ticket;
  Erase(held);
  changed_.NotifyAll();
  return ticket;
}

void LeaseBook::Clear() {
  MutexLock lock(mutex_);
  while (!groups_.empty()) Erase(groups_.begin());
  changed_.NotifyAll();
}

bool LeaseBook::empty() const {
  MutexLock lock(mutex_);
  return groups_.empty();
}

uint64_t LeaseBook::unacknowledged_bytes() const {
  MutexLock lock(mutex_);
  return bytes_;
}

uint64_t LeaseBook::unacknowledged_trajectories() const {
  MutexLock lock(mutex_);
  return trajectories_;
}

absl::Time LeaseBook::Ready(const std::string& replica) const {
  absl::Time ready = absl::InfiniteFuture();
  for (const auto& [id, held] : groups_) {
    if (held.replica == replica && HasWork(held)) {
      ready = std::min(ready, held.not_before);
    }
  }
  return ready;
}

bool LeaseBook::WaitUntilReady(const std::string& replica,
                               absl::Duration timeout, uint64_t wakes) {
  const absl::Time end = clock_() + timeout;
  for (;;) {
    const absl::Time now = clock_();
    const absl::Time ready = Ready(replica);
    if (ready <= now) return true;
    if (wakes_ != wakes || now >= end) return false;
    changed_.WaitFor(mutex_, std::min(ready, end) - now);
  }
}

std::optional<v1::SubmitRequest> LeaseBook::Next(const std::string& replica,
                                                 absl::Duration timeout,
                                                 uint64_t wakes) {
  MutexLock lock(mutex_);
  if (!WaitUntilReady(replica, timeout, wakes)) return std::nullopt;
  const absl::Time now = clock_();
  for (auto& [id, held] : groups_) {
    if (held.replica != replica || !HasWork(held) || held.not_before > now) {
      continue;
    }
    v1::SubmitRequest request;
    if (!std::exchange(held.opened, true)) {
      *request.mutable_open() = held.context;
      return request;
    }
    v1::TrajectoryOf& message = *request.mutable_trajectory();
    *message.mutable_key() = id.ToProto();
    *message.mutable_trajectory() = held.trajectories[held.sent++];
    return request;
  }
  return std::nullopt;
}

std::vector<std::string> LeaseBook::ReplicasWithWork() const {
  MutexLock lock(mutex_);
  std::vector<std::string> replicas;
  for (const auto& [id, held] : groups_) {
    if (HasWork(held) && !absl::c_linear_search(replicas, held.replica)) {
      replicas.push_back(held.replica);
    }
  }
  return replicas;
}

bool LeaseBook::HasWork(const std::string& replica) const {
  MutexLock lock(mutex_);
  return Ready(replica) <= clock_();
}

bool LeaseBook::WaitForWork(const std::string& replica, absl::Duration timeout,
                            uint64_t wakes) {
  MutexLock lock(mutex_);
  return WaitUntilReady(replica, timeout, wakes);
}

uint64_t LeaseBook::wakes() const {
  MutexLock lock(mutex_);
  return wakes_;
}

void LeaseBook::Wake() {
  MutexLock lock(mutex_);
  ++wakes_;
  changed_.NotifyAll();
}

void LeaseBook::Resend(const std::string& replica,
                       const std::vector<std::string>& living) {
  std::vector<std::string> others;
  for (const std::string& address : living) {
    if (address != replica) others.push_back(address);
  }
  MutexLock lock(mutex_);
  size_t turn = 0;
  for (auto& [id, held] : groups_) {
    if (held.replica != replica || held.acknowledged) continue;
    held.opened = false;
    held.sent = 0;
    if (!others.empty()) held.replica = others[turn++ % others.size()];
  }
  changed_.NotifyAll();
}

void LeaseBook::ResendLater(const GroupId& group, const std::string& from,
                            const std::string& to, absl::Duration delay) {
  MutexLock lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end() || it->second.replica != from) return;
  it->second.opened = false;
  it->second.sent = 0;
  it->second.replica = to;
  it->second.not_before = clock_() + delay;
  if (it->second.attempts++ == 0) it->second.first_attempt = clock_();
  changed_.NotifyAll();
}

LeaseBook::Attempts LeaseBook::attempts(const GroupId& group) const {
  MutexLock lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end() || it->second.attempts == 0) return {};
  return {it->second.attempts, clock_() - it->second.first_attempt};
}

}  // namespace aha::actor
