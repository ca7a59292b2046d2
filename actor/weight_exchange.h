// Passes versions of the weights from the fetcher to the engine: the engine
// says which ones it wants, the fetcher puts them here.
//
// Invariant: it holds buffers of wanted versions only, so its memory is
// bounded by what the engine asks for.  Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "actor/weight_buffer.h"
#include "base/mutex.h"
#include "job/ids.h"

namespace aha::actor {

class WeightExchange {
 public:
  // Sets the versions that the engine needs, the most urgent first, and drops
  // all others.
  void Want(std::vector<WeightsId> ids) ABSL_LOCKS_EXCLUDED(mutex_);
  // The engine takes a version out, if it is here.
  std::optional<WeightBuffer> Take(const WeightsId& id)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool Has(const WeightsId& id) const ABSL_LOCKS_EXCLUDED(mutex_);

  // The fetcher waits for a version that is wanted and not here, the most
  // urgent one.  Returns nothing after `timeout` or Wake.
  std::optional<WeightsId> WaitForWanted(absl::Duration timeout)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool Wanted(const WeightsId& id) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops the buffer if it is no longer wanted.
  void Put(const WeightsId& id, WeightBuffer buffer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::optional<WeightsId> FirstMissing() const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<WeightsId> wanted_ ABSL_GUARDED_BY(mutex_);
  std::map<WeightsId, WeightBuffer> here_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::actor
