// The run of a stage whose scored groups are the result: they are delivered to
// this process, in any order and perhaps more than once.  Base of the kinds
// eval and sample.
//
// A group counts once; the same group delivered again must have the same bits.
// A derived class takes each group once (Take) and must make the same of any
// order of arrival.
#pragma once

#include <map>

#include "base/hash.h"
#include "coordinator/stages/stage_run.h"

namespace aha::coordinator {

class CollectRun : public StageRun {
 public:
  absl::StatusOr<bool> Deliver(const v1::ScoredGroup& group) override;
  bool IsComplete() const override { return collected_ == plan().groups; }
  uint64_t UnitsDone() const override { return collected_; }

 protected:
  explicit CollectRun(const StageParts& parts) : StageRun(parts) {}

  // A group of this stage that is well formed and was not taken before.
  virtual void Take(const v1::ScoredGroup& group) = 0;
  // The groups of the slots below `slots` were taken by an earlier run: they
  // are not leased again, and a delivery of one is ignored.
  void SkipSlots(uint32_t slots);

 private:
  absl::Status Check(const v1::ScoredGroup& group) const;

  uint32_t skipped_ = 0;    // Slots below it were taken by an earlier run.
  uint64_t collected_ = 0;  // Groups, the skipped ones among them.
  std::map<uint32_t, Hash128> digests_;  // By slot, of the groups taken here.
};

}  // namespace aha::coordinator
