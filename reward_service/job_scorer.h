// The scorer that a job file asks for: the weighted sum of its components,
// which are rules (rewards/) and programs of the user's (external/).
//
// What each outcome of a component is worth is the job file's policy:
//
//   score           the verifier's value, if it is finite and in the range that
//                   the component declares; else an infrastructure error
//   unparsable      on_unparsable, or 0
//   limit           on_limit, or 0
//   timeout, crash  on_timeout, on_crash; without them 0 for a rule, and an
//                   infrastructure error for a program
//   not_applicable  nothing: the component is left out of the sum
//   infra_error     never a value: the completion has no score
//
// A program may answer differently when it is asked again, which no rule can.
// Some completions are therefore judged twice, the first of each group in the
// first step of a stage and in one of 16 groups afterwards; a difference is
// reported, and so is a time-out that was worth something.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "base/clock.h"
#include "reward_service/external/program_pool.h"
#include "reward_service/scorer.h"
#include "rewards/verifier.h"

namespace aha::reward {

class JobScorer {
 public:
  struct Options {
    Clock clock;
    // The program that runs a Python function (external/python_shim.py).
    std::string python_shim = {};
    // Called with the reason, once for each component, from any thread: another
    // run of the job may have another result.  May be null.
    std::function<void(const std::string& why)> not_reproducible = {};
  };

  // INVALID_ARGUMENT: a reward of the job that rewards/verifier.h does not
  // know, or a program without a place to run.  REQUIRES: the programs of the
  // job are allowed (job/reward_program.h).
  static absl::StatusOr<std::unique_ptr<JobScorer>> Create(const v1::Job& job,
                                                           Options options);
  ~JobScorer();

  // Rules are given the job's wait_seconds.  Errors are INVALID_ARGUMENT for a
  // reference or fields that a rule cannot judge by, and UNAVAILABLE, with the
  // component and the cause, for an infrastructure failure.
  void Score(Completion completion, const ScoreDone& done);

  // Ends the programs.  What has no score yet is UNAVAILABLE.
  void Stop();

 private:
  struct Component;
  struct Pending;

  explicit JobScorer(Options options);

  absl::Status AddComponent(const v1::Job& job, int index);
  void JudgeByRules(Pending& pending) const;
  void AskProgram(size_t index, const std::shared_ptr<Pending>& pending);
  void Compare(Component& component, const Completion& completion,
               const rewards::Verdict& first, const rewards::Verdict& second);
  void Finish(Pending& pending) const;
  absl::StatusOr<aha::reward::Score> Sum(
      const std::vector<rewards::Verdict>& verdicts) const;
  void Mark(Component& component, const std::string& why) const;

  const Options options_;
  absl::Duration patience_;
  bool chat_ = false;  // Plain prompts become conversations, too.
  std::string system_;
  std::vector<std::unique_ptr<Component>> components_;
};

// Whether the programs of a job judge this completion twice.
bool IsJudgedTwice(const Completion& completion);

}  // namespace aha::reward
