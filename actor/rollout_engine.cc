#include "actor/rollout_engine.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::actor {
namespace {

// A longer wait is reported in parts, so that its metrics move while it lasts.
constexpr absl::Duration kWaitSlice = absl::Seconds(5);

}  // namespace

RolloutEngine::RolloutEngine(Sampler* sampler, WeightExchange* exchange,
                             Clock clock, EngineEvents events)
    : sampler_(sampler),
      exchange_(exchange),
      clock_(std::move(clock)),
      events_(std::move(events)) {}

void RolloutEngine::Submit(EngineGroup group) {
  MutexLock lock(mutex_);
  const std::pair key(group.id, group.request.id);
  const int64_t samples = group.request.num_samples;
  if (!waiting_.emplace(key, std::move(group)).second) return;
  waiting_samples_ += samples;
  woken_ = true;
  changed_.NotifyAll();
}

void RolloutEngine::Cancel(uint64_t group) {
  MutexLock lock(mutex_);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->first.second != group) {
      ++it;
      continue;
    }
    waiting_samples_ -= it->second.request.num_samples;
    it = waiting_.erase(it);
  }
  cancels_.push_back(group);
  woken_ = true;
  changed_.NotifyAll();
}

void RolloutEngine::Reset() {
  MutexLock lock(mutex_);
  waiting_.clear();
  waiting_samples_ = 0;
  reset_ = true;
  woken_ = true;
  changed_.NotifyAll();
}

void RolloutEngine::Wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  changed_.NotifyAll();
}

void RolloutEngine::Stop() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.NotifyAll();
}

int64_t RolloutEngine::load() const {
  MutexLock lock(mutex_);
  return waiting_samples_ + sampler_samples_;
}

std::string RolloutEngine::waiting_for() const {
  MutexLock lock(mutex_);
  return waiting_for_;
}

RolloutEngine::Commands RolloutEngine::NextCommands(bool sampler_idle) {
  Commands next;
  MutexLock lock(mutex_);
  woken_ = false;
  next.reset = std::exchange(reset_, false);
  next.cancels.swap(cancels_);
  if (next.reset) {
    loaded_.reset();
    sampler_idle = true;
  }
  while (!waiting_.empty() && waiting_.begin()->second.policy == loaded_) {
    EngineGroup& group = waiting_.begin()->second;
    waiting_samples_ -= group.request.num_samples;
    sampler_samples_ += group.request.num_samples;
    next.admitted.push_back(std::move(group));
    waiting_.erase(waiting_.begin());
  }
  for (const auto& [key, group] : waiting_) {
    if (group.policy == loaded_ ||
        absl::c_linear_search(next.want, group.policy)) {
      continue;
    }
    next.want.push_back(group.policy);
    if (loaded_.has_value() || next.want.size() == 2) break;
  }
  if (!waiting_.empty() && next.admitted.empty() && sampler_idle) {
    next.swap = waiting_.begin()->second.policy;
  }
  return next;
}

absl::StatusOr<RolloutEngine::Did> RolloutEngine::Turn() {
  Commands next = NextCommands(sampler_->idle());
  if (next.reset) {
    for (uint64_t group : begun_) sampler_->Cancel(group);
    begun_.clear();
  }
  for (uint64_t group : next.cancels) {
    sampler_->Cancel(group);
    std::erase(begun_, group);
  }
  exchange_->Want(next.want);
  for (EngineGroup& group : next.admitted) {
    const absl::Status status = sampler_->Submit(group.request);
    if (status.ok()) {
      begun_.push_back(group.request.id);
    } else if (events_.refused) {
      events_.refused(group, status);
    }
  }
  // A cancellation may just have made the sampler idle.
  if (next.swap.has_value() && sampler_->idle()) {
    if (exchange_->Has(*next.swap)) {
      AHA_RETURN_IF_ERROR(Swap(*next.swap));
      return Did::kWorked;
    }
    Unload();
  }
  if (sampler_->idle()) {
    begun_.clear();
    CountSampler();
    return next.admitted.empty() && next.cancels.empty() ? Did::kNothing
                                                         : Did::kWorked;
  }
  AHA_RETURN_IF_ERROR(Step());
  return Did::kWorked;
}

absl::Status RolloutEngine::Swap(const WeightsId& id) {
  const absl::Time began = clock_();
  std::optional<WeightBuffer> weights = exchange_->Take(id);
  if (!weights.has_value()) return absl::OkStatus();  // No longer wanted.
  if (const absl::Status status = sampler_->Load(*weights); !status.ok()) {
    return Annotate(absl::StrCat("loading weights ", id.ToString()), status);
  }
  {
    MutexLock lock(mutex_);
    // The next turn carries out a Reset that was called meanwhile.
    loaded_ = id;
  }
  if (events_.swapped) events_.swapped(id, clock_() - began);
  return absl::OkStatus();
}

// Frees the loaded weights for those that are being fetched.
void RolloutEngine::Unload() {
  {
    MutexLock lock(mutex_);
    if (!loaded_.has_value()) return;
    loaded_.reset();
  }
  sampler_->Unload();
}

absl::Status RolloutEngine::Step() {
  const absl::Time began = clock_();
  AHA_ASSIGN_OR_RETURN(std::vector<Sample> samples, sampler_->Step());
  CountSampler();
  if (events_.stepped) {
    // Every live sequence made one token.
    events_.stepped(
        sampler_->live_samples() + static_cast<int64_t>(samples.size()),
        clock_() - began);
  }
  for (Sample& sample : samples) {
    if (events_.sampled) events_.sampled(std::move(sample));
  }
  return absl::OkStatus();
}

void RolloutEngine::CountSampler() {
  const int64_t live = sampler_->live_samples();
  const int64_t queued = sampler_->queued_samples();
  MutexLock lock(mutex_);
  sampler_samples_ = live + queued;
}

void RolloutEngine::WaitForWork() {
  for (;;) {
    const absl::Time began = clock_();
    std::string what;
    {
      MutexLock lock(mutex_);
      waiting_for_.clear();
      if (woken_ || stopping_) return;
      what = waiting_.empty() ? "lease" : "weights";
      waiting_for_ =
          waiting_.empty()
              ? "groups of the coordinator"
              : absl::StrCat("weights ",
                             waiting_.begin()->second.policy.ToString());
      changed_.WaitFor(mutex_, kWaitSlice);
    }
    if (events_.waited) events_.waited(what, clock_() - began);
  }
}

absl::Status RolloutEngine::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) return absl::OkStatus();
    }
    AHA_ASSIGN_OR_RETURN(const Did did, Turn());
    if (did == Did::kNothing) WaitForWork();
  }
}

}  // namespace aha::actor
