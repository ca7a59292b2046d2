// Samples leased groups in the order in which they are wanted, one version of
// the weights at a time.
//
//   Submit -> waiting --(its version is loaded)--> sampling --> sampled(...)
//
// Invariants:
//  * Groups begin in the order of (stage, step, slot); one of another version
//    than the loaded one waits until the sampler is idle, and so does every
//    group behind it.  So weights never change under a sequence, and an older
//    step never starves.
//  * At most the loaded version and one more are asked of the store, so the
//    next version comes while the loaded one still samples.
//
// Thread-safe, but Run (or Turn) belongs to one thread, which alone touches the
// sampler.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "actor/policy_id.h"
#include "actor/sampler.h"
#include "actor/weight_store.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "job/ids.h"

namespace aha::actor {

struct EngineGroup {
  GroupId id;
  PolicyId policy;
  GroupRequest request;  // request.id never repeats.
};

// Called on the engine's thread without its lock held.
struct EngineEvents {
  std::function<void(Sample sample)> sampled = {};
  // The sampler refused the group (INVALID_ARGUMENT); it is forgotten.
  std::function<void(const EngineGroup& group, const absl::Status& why)>
      refused = {};
  std::function<void(const PolicyId& id, absl::Duration took)> swapped = {};
  std::function<void(int64_t tokens, absl::Duration took)> stepped = {};
  // It waited for "weights" or a "lease"; a long wait comes in pieces.
  std::function<void(const std::string& what, absl::Duration took)> waited = {};
};

class RolloutEngine {
 public:
  // None is owned.
  RolloutEngine(Sampler* sampler, WeightStore* store, Clock clock,
                EngineEvents events);

  void Submit(EngineGroup group) ABSL_LOCKS_EXCLUDED(mutex_);
  void Cancel(uint64_t group) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets all groups and which version is loaded.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);
  // Something that a turn looks at has changed (weights came).
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Until Stop: OK.  Else what the sampler or the weights suffer from.
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_);

  enum class Did { kWorked, kNothing };
  // One step of Run.
  absl::StatusOr<Did> Turn() ABSL_LOCKS_EXCLUDED(mutex_);

  // Samples that are not finished, begun or not.
  int64_t load() const ABSL_LOCKS_EXCLUDED(mutex_);
  // "" while it works.
  std::string waiting_for() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Commands {
    bool reset = false;
    std::vector<uint64_t> cancels;
    std::vector<EngineGroup> admitted;
    std::optional<PolicyId> swap;  // To this version, if it is here.
    std::vector<PolicyId> want;
  };

  Commands NextCommands(bool sampler_idle) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Swap(const PolicyId& id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unload() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Step() ABSL_LOCKS_EXCLUDED(mutex_);
  void CountSampler() ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitForWork() ABSL_LOCKS_EXCLUDED(mutex_);

  Sampler* const sampler_;
  WeightStore* const store_;
  const Clock clock_;
  const EngineEvents events_;
  std::vector<uint64_t> begun_;  // The engine thread's: what Reset cancels.

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool reset_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::pair<GroupId, uint64_t>, EngineGroup> waiting_
      ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> cancels_ ABSL_GUARDED_BY(mutex_);
  std::optional<PolicyId> loaded_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sampler_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string waiting_for_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::actor
