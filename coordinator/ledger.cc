#include "coordinator/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rl/schedule.h"

namespace aha::coordinator {
namespace {

// A lease is on its way to the actor for this long at most.  Until then its
// absence from a heartbeat of the actor means nothing.
constexpr absl::Duration kHandover = absl::Seconds(5);

}  // namespace

Ledger::Ledger(const LedgerOptions& options, Clock clock)
    : options_(options),
      clock_(std::move(clock)),
      next_step_(options.first_step),
      next_lease_id_(options.first_lease_id) {
  OpenSteps();
}

void Ledger::OpenSteps() {
  for (uint64_t step = next_step_;
       step <= next_step_ + options_.lag && step < options_.steps; ++step) {
    open_.try_emplace(step, options_.groups);
  }
}

void Ledger::MakeVisible(uint64_t version) { visible_.insert(version); }

bool Ledger::CanSample(uint64_t step) const {
  return visible_.contains(SamplingVersion(step, options_.lag));
}

Ledger::Group* Ledger::Find(uint64_t step, uint32_t slot) {
  const auto it = open_.find(step);
  if (it == open_.end() || slot >= it->second.size()) return nullptr;
  return &it->second[slot];
}

std::optional<LeasedGroup> Ledger::Lease(uint64_t member,
                                         const LeaseLimits& limits) {
  TakeBackExpired();
  for (auto& [step, groups] : open_) {
    if (step > limits.last_step || !CanSample(step)) continue;
    const auto it = std::find_if(
        groups.begin(), groups.end(),
        [](const Group& group) { return group.state == State::kPending; });
    const auto slot = static_cast<uint32_t>(it - groups.begin());
    if (it == groups.end() || slot >= limits.end_slot) continue;
    it->state = State::kLeased;
    const uint64_t id = next_lease_id_++;
    const absl::Time now = clock_();
    held_[id] = {.member = member,
                 .step = step,
                 .slot = slot,
                 .granted = now,
                 .expires = now + options_.lease};
    given_[id] = {step, slot};
    return LeasedGroup{
        .lease_id = id, .step = step, .slot = slot, .times = ++it->leases};
  }
  return std::nullopt;
}

std::vector<uint64_t> Ledger::Renew(uint64_t member,
                                    const std::vector<uint64_t>& lease_ids) {
  TakeBackExpired();
  const absl::Time now = clock_();
  const std::set<uint64_t> named(lease_ids.begin(), lease_ids.end());
  std::vector<uint64_t> lost;
  for (const uint64_t id : named) {
    const auto it = held_.find(id);
    if (it == held_.end() || it->second.member != member) {
      lost.push_back(id);
    } else {
      it->second.expires = now + options_.lease;
    }
  }
  for (auto it = held_.begin(); it != held_.end();) {
    const Held& held = it->second;
    const bool forgotten = held.member == member &&
                           !named.contains(it->first) &&
                           now - held.granted > kHandover;
    it = forgotten ? GiveBack(it) : std::next(it);
  }
  return lost;
}

Ledger::HeldLeases::iterator Ledger::GiveBack(HeldLeases::iterator held) {
  Group* group = Find(held->second.step, held->second.slot);
  if (group != nullptr && group->state == State::kLeased) {
    group->state = State::kPending;
  }
  return held_.erase(held);
}

void Ledger::Return(uint64_t member) {
  for (auto it = held_.begin(); it != held_.end();) {
    it = it->second.member == member ? GiveBack(it) : std::next(it);
  }
}

uint64_t Ledger::Expire() {
  TakeBackExpired();
  return std::exchange(expired_, 0);
}

void Ledger::TakeBackExpired() {
  const absl::Time now = clock_();
  for (auto it = held_.begin(); it != held_.end();) {
    if (it->second.expires > now) {
      ++it;
      continue;
    }
    it = GiveBack(it);
    ++expired_;
  }
}

void Ledger::Withdraw(uint64_t step, uint32_t slot) {
  std::erase_if(held_, [&](const auto& entry) {
    return entry.second.step == step && entry.second.slot == slot;
  });
}

absl::Status Ledger::Complete(uint64_t lease_id, uint64_t step, uint32_t slot) {
  if (step < next_step_) return absl::OkStatus();  // Long trained.
  const auto given = given_.find(lease_id);
  if (given == given_.end()) {
    return absl::NotFoundError(
        absl::StrCat("lease ", lease_id, " is not of the running stage"));
  }
  if (given->second != std::pair(step, slot)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "lease ", lease_id, " is for step ", given->second.first, " slot ",
        given->second.second, ", not for step ", step, " slot ", slot));
  }
  Deliver(step, slot);
  return absl::OkStatus();
}

void Ledger::Deliver(uint64_t step, uint32_t slot) {
  Group* group = Find(step, slot);
  if (group == nullptr) return;
  group->state = State::kDelivered;
  Withdraw(step, slot);
}

void Ledger::Train(uint64_t step) {
  open_.erase(step);
  std::erase_if(held_,
                [&](const auto& entry) { return entry.second.step <= step; });
  std::erase_if(given_,
                [&](const auto& entry) { return entry.second.first <= step; });
  next_step_ = step + 1;
  const uint64_t oldest = SamplingVersion(next_step_, options_.lag);
  visible_.erase(visible_.begin(), visible_.lower_bound(oldest));
  OpenSteps();
}

LedgerCounts Ledger::Counts() const {
  LedgerCounts counts;
  for (const auto& [step, groups] : open_) {
    for (const Group& group : groups) {
      counts.pending += group.state == State::kPending && CanSample(step);
      counts.leased += group.state == State::kLeased;
      counts.delivered += group.state == State::kDelivered;
    }
  }
  return counts;
}

uint64_t Ledger::HeldBy(uint64_t member) const {
  return static_cast<uint64_t>(std::count_if(
      held_.begin(), held_.end(),
      [&](const auto& entry) { return entry.second.member == member; }));
}

std::vector<LedgerHold> Ledger::Holds() const {
  std::vector<LedgerHold> holds;
  for (const auto& [id, held] : held_) {
    holds.push_back(
        {.member = held.member, .step = held.step, .slot = held.slot});
  }
  return holds;
}

}  // namespace aha::coordinator
