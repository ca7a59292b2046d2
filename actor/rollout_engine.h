// Samples leased groups in the order in which they are consumed, with one
// version of the weights at a time.
//
//   Submit -> waiting --(its version is loaded)--> sampling --> sampled(...)
//
// Invariants:
//  * Groups begin in the order of (stage, step, slot).  A group of another
//    version than the loaded one waits until the sampler is idle, and so does
//    every group behind it.  So weights never change during a sequence, and an
//    older step never starves.
//  * The engine asks the exchange for at most one version beside the loaded
//  one:
//    it arrives while the loaded one still samples.
//
// Thread-safe, except that one thread calls Run (or Turn); only it uses the
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
#include "actor/sampler.h"
#include "actor/weight_exchange.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "job/ids.h"

namespace aha::actor {

struct EngineGroup {
  GroupId id;
  WeightsId policy;
  GroupRequest request;  // request.id never repeats.
};

// Called on the engine's thread without its lock held.
struct EngineEvents {
  std::function<void(Sample sample)> sampled = {};
  // The sampler refused the group (INVALID_ARGUMENT), which is dropped.
  std::function<void(const EngineGroup& group, const absl::Status& why)>
      refused = {};
  std::function<void(const WeightsId& id, absl::Duration took)> swapped = {};
  std::function<void(int64_t tokens, absl::Duration took)> stepped = {};
  // The engine waited for "weights" or a "lease"; a long wait is reported in
  // parts.
  std::function<void(const std::string& what, absl::Duration took)> waited = {};
};

class RolloutEngine {
 public:
  // None is owned.
  RolloutEngine(Sampler* sampler, WeightExchange* exchange, Clock clock,
                EngineEvents events);

  void Submit(EngineGroup group) ABSL_LOCKS_EXCLUDED(mutex_);
  void Cancel(uint64_t group) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets all groups and which version is loaded.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);
  // Announces a change of something that Turn checks, such as new weights.
  void Wake() ABSL_LOCKS_EXCLUDED(mutex_);
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs until Stop, then returns OK; earlier, the sampler's or the weights'
  // error.
  absl::Status Run() ABSL_LOCKS_EXCLUDED(mutex_);

  enum class Did { kWorked, kNothing };
  // One step of Run.
  absl::StatusOr<Did> Turn() ABSL_LOCKS_EXCLUDED(mutex_);

  // The number of unfinished samples, begun or waiting.
  int64_t load() const ABSL_LOCKS_EXCLUDED(mutex_);
  // "" while it works.
  std::string waiting_for() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Commands {
    bool reset = false;
    std::vector<uint64_t> cancels;
    std::vector<EngineGroup> admitted;
    std::optional<WeightsId> swap;  // To this version, if it is here.
    std::vector<WeightsId> want;
  };

  Commands NextCommands(bool sampler_idle) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Swap(const WeightsId& id) ABSL_LOCKS_EXCLUDED(mutex_);
  void Unload() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Step() ABSL_LOCKS_EXCLUDED(mutex_);
  void CountSampler() ABSL_LOCKS_EXCLUDED(mutex_);
  void WaitForWork() ABSL_LOCKS_EXCLUDED(mutex_);

  Sampler* const sampler_;
  WeightExchange* const exchange_;
  const Clock clock_;
  const EngineEvents events_;
  std::vector<uint64_t> begun_;  // What Reset cancels; of the engine's thread.

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool reset_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::pair<GroupId, uint64_t>, EngineGroup> waiting_
      ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> cancels_ ABSL_GUARDED_BY(mutex_);
  std::optional<WeightsId> loaded_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t sampler_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string waiting_for_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace aha::actor
