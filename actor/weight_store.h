// Versions between the wire and the engine: which one the engine wants, and
// those that have arrived.
//
// Invariant: holds buffers of wanted versions only, so the memory is bounded by
// what the engine asks for.  Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "actor/policy_id.h"
#include "actor/weight_buffer.h"
#include "base/mutex.h"

namespace aha::actor {

class WeightStore {
 public:
  // The engine: what it needs next, most urgent first.  Drops the rest.
  void Want(std::vector<PolicyId> ids) ABSL_LOCKS_EXCLUDED(mutex_);
  // The engine: takes a version out, if it is here.
  std::optional<WeightBuffer> Take(const PolicyId& id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool Has(const PolicyId& id) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The fetcher: the most urgent version that is wanted and not here; nothing
  // after `timeout` or Wake.
  std::optional<PolicyId> WaitForWanted(absl::Duration timeout)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool Wanted(const PolicyId& id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Dropped if it is no longer wanted.
  void Put(const PolicyId& id, WeightBuffer buffer) ABSL_LOCKS_EXCLUDED(mutex_);
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::optional<PolicyId> FirstMissing() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<PolicyId> wanted_ ABSL_GUARDED_BY(mutex_);
  std::map<PolicyId, WeightBuffer> here_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::actor
