#include "coordinator/stages/eval_run.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "coordinator/stage_results.h"

namespace aha::coordinator {

void EvalRun::Take(const v1::ScoredGroup& group) {
  for (const v1::ScoredTrajectory& scored : group.trajectories()) {
    // Validation of the job requires a reward for an evaluation.
    right_ += scored.parts_size() > 0 && scored.parts(0).value() >= 1;
    tokens_ += static_cast<uint64_t>(scored.trajectory().token_ids_size());
    ++completions_;
  }
}

EvalRecord EvalRun::Result() const {
  EvalRecord result{
      .stage = stage(), .prompts = UnitsDone(), .tokens = tokens_};
  if (completions_ == 0) return result;
  const auto all = static_cast<double>(completions_);
  result.pass_at_1 = static_cast<double>(right_) / all;
  result.mean_completion_length = static_cast<double>(tokens_) / all;
  return result;
}

std::map<std::string, double> EvalRun::Figures() const {
  // Before the first completion, a pass@1 of 0 would be false.
  if (completions_ == 0) return {};
  return FiguresOf(Result());
}

absl::Status EvalRun::RecordEnd() {
  const EvalRecord result = Result();
  AHA_RETURN_IF_ERROR(history().AddEval(result, Seconds()));
  RunRecorder& recorder = *parts().recorder;
  recorder.series().tokens.Increment(static_cast<double>(result.tokens));
  recorder.ShowEval(result);
  recorder.Event(
      "eval", absl::StrCat(plan().name, ": pass@1 ", result.pass_at_1, " over ",
                           result.prompts, " prompts, mean length ",
                           result.mean_completion_length));
  return absl::OkStatus();
}

}  // namespace aha::coordinator
