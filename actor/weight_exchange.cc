#include "actor/weight_exchange.h"

#include <iterator>
#include <utility>

#include "absl/algorithm/container.h"

namespace aha::actor {

void WeightExchange::Want(std::vector<WeightsId> ids) {
  MutexLock lock(mutex_);
  if (ids == wanted_) return;
  wanted_ = std::move(ids);
  for (auto it = here_.begin(); it != here_.end();) {
    it = absl::c_linear_search(wanted_, it->first) ? std::next(it)
                                                   : here_.erase(it);
  }
  changed_.NotifyAll();
}

std::optional<WeightBuffer> WeightExchange::Take(const WeightsId& id) {
  MutexLock lock(mutex_);
  const auto it = here_.find(id);
  if (it == here_.end()) return std::nullopt;
  std::optional<WeightBuffer> buffer = std::move(it->second);
  here_.erase(it);
  std::erase(wanted_, id);
  return buffer;
}

bool WeightExchange::Has(const WeightsId& id) const {
  MutexLock lock(mutex_);
  return here_.contains(id);
}

std::optional<WeightsId> WeightExchange::FirstMissing() const {
  for (const WeightsId& id : wanted_) {
    if (!here_.contains(id)) return id;
  }
  return std::nullopt;
}

std::optional<WeightsId> WeightExchange::WaitForWanted(absl::Duration timeout) {
  MutexLock lock(mutex_);
  std::optional<WeightsId> id = FirstMissing();
  while (!id.has_value() && !woken_) {
    const bool notified = changed_.WaitFor(mutex_, timeout);
    id = FirstMissing();
    if (!notified) break;
  }
  woken_ = false;
  return id;
}

bool WeightExchange::Wanted(const WeightsId& id) const {
  MutexLock lock(mutex_);
  return absl::c_linear_search(wanted_, id);
}

void WeightExchange::Put(const WeightsId& id, WeightBuffer buffer) {
  MutexLock lock(mutex_);
  if (!absl::c_linear_search(wanted_, id)) return;
  here_.insert_or_assign(id, std::move(buffer));
}

void WeightExchange::Clear() {
  MutexLock lock(mutex_);
  wanted_.clear();
  here_.clear();
}

void WeightExchange::Wake() {
  MutexLock lock(mutex_);
  woken_ = true;
  changed_.NotifyAll();
}

}  // namespace aha::actor
