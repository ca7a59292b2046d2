// The learner ranks of a job as one set: which of them run which stage, and
// what happens when one of them is lost.
//
// The ranks of a set train together, so they begin a stage together and break
// together.  The protocol, from the coordinator's side:
//
//   1. Every rank asks for a stage (Ask).  A stage of steps is assigned only
//      when all ranks have asked: a rank that is dead, or still busy with the
//      old set, would only be waited for at the rendezvous of the others.
//   2. The caller sends the stage and records that it did (Assign), under the
//      epoch() of the set, which names the rendezvous.
//   3. A rank that has no assignment of the present epoch and stage
//      (IsAssigned is false) works on what is void: its calls are refused.
//   4. The set breaks when a rank is lost (Lose) or when rank 0 asks again in
//      the middle of its stage.  The caller counts the break (CountBreak) and
//      begins a rollback (BeginRollback): a new epoch, and no assignments until
//      the newest checkpoint is found and EndRollback is called.
//   5. A new step resets the count of breaks (StepCommitted).  The set has
//      failed when it breaks more than max_breaks times without one.
//
// Usage:
//
//   RankSet ranks({.ranks = 2, .max_breaks = 4});
//   RankSet::Answer answer = ranks.Ask(rank, {.stage = 0, .trains = true});
//   if (answer.decision == RankSet::Decision::kAssign) {
//     SendStage(rank, ranks.epoch());
//     ranks.Assign(rank, 0);
//   }
//
// It knows no members, no time and no store.  Thread-compatible: callers lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace aha::coordinator {

struct RankSetOptions {
  uint32_t ranks = 1;  // At least 1.
  int max_breaks = 4;  // Without a new step between them; one more fails.
};

class RankSet {
 public:
  explicit RankSet(const RankSetOptions& options) : options_(options) {}

  // What a rank asks for: the stage at which the job stands.
  struct Situation {
    uint32_t stage = 0;
    bool trains = false;         // All ranks run it, step by step; else rank 0
                                 // only publishes the weights it begins with.
    bool weights_there = false;  // They are published already.
    bool step_begun = false;     // The set was allowed to begin a step of it.
    // Whether a learner that holds nothing can be brought to the job's
    // position from a checkpoint.
    bool checkpoint_fits = true;
  };
  enum class Decision {
    kWait,      // Nothing to do for this rank now; it is to ask again.
    kAssign,    // The rank gets the stage; call Assign.
    kRollBack,  // The set is broken for the reason `why`; call CountBreak and
                // BeginRollback.
    kFailed,    // It broke once too often, the last time for the reason `why`.
  };
  struct Answer {
    Decision decision = Decision::kWait;
    std::string why = {};
  };
  // REQUIRES: all ranks are members, and no rollback is on its way.
  Answer Ask(uint32_t rank, const Situation& now);

  void Assign(uint32_t rank, uint32_t stage);
  // Whether the rank was assigned `stage` in the present epoch.
  bool IsAssigned(uint32_t rank, uint32_t stage) const;

  // The job has entered a stage: the ranks ask for it again.
  void EnterStage() { ranks_waiting_.clear(); }
  // Another set of the same ranks: what was assigned before is void.
  void Renew();
  // No rank has an assignment, and what they held does not matter any more.
  void Forget() { assigned_stage_.clear(); }

  // The process of `rank` is gone.  False if it had no assignment, so that
  // nothing is lost with it; true if what it held may be in no checkpoint.
  bool Lose(uint32_t rank);

  // Counts a break of the set; true if there were more than max_breaks since
  // the last new step, so that the set has failed.
  bool CountBreak(const std::string& why);
  void StepCommitted() { breaks_ = 0; }
  // Why the set failed: how often it broke, where, and what a learner reported
  // last.  `where`: "stage 0 (grpo) step 2".
  std::string FailureText(const std::string& where) const;

  // Step 4 above.  REQUIRES: !rolling_back().
  void BeginRollback(const std::string& why);
  // The checkpoint is found; returns the reason of the rollback.
  // REQUIRES: rolling_back().
  std::string EndRollback();
  // The checkpoint cannot be used; the job ends.
  void CancelRollback() { rollback_reason_.reset(); }
  bool rolling_back() const { return rollback_reason_.has_value(); }

  // What a learner reported last is shown with a failure.
  void KeepReport(const std::string& text) { last_report_ = text; }
  const std::string& last_report() const { return last_report_; }

  uint64_t epoch() const { return epoch_; }

 private:
  const RankSetOptions options_;
  uint64_t epoch_ = 1;
  // By rank: the (epoch, stage) that was assigned last.
  std::map<uint32_t, std::pair<uint64_t, uint32_t>> assigned_stage_;
  // Ranks that asked since the epoch or the stage changed.
  std::set<uint32_t> ranks_waiting_;
  // A rank was lost and, with it, perhaps what no checkpoint holds.
  bool uncheckpointed_loss_ = false;
  std::optional<std::string> rollback_reason_;
  int breaks_ = 0;  // Since the last new step.
  std::string last_break_;
  std::string last_report_;
};

}  // namespace aha::coordinator
