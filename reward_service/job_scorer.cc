#include "reward_service/job_scorer.h"

#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "job/config_errors.h"
#include "job/options.h"
#include "job/reward_program.h"

namespace aha::reward {
namespace {

using rewards::Outcome;
using rewards::Verdict;

v1::RewardOutcome OutcomeOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kScore:
      return v1::REWARD_OUTCOME_SCORE;
    case Outcome::kUnparsable:
      return v1::REWARD_OUTCOME_UNPARSABLE;
    case Outcome::kTimeout:
      return v1::REWARD_OUTCOME_TIMEOUT;
    case Outcome::kCrash:
      return v1::REWARD_OUTCOME_CRASH;
    case Outcome::kLimit:
      return v1::REWARD_OUTCOME_LIMIT;
    case Outcome::kNotApplicable:
      return v1::REWARD_OUTCOME_NOT_APPLICABLE;
    case Outcome::kInfraError:
      break;  // It has no value.
  }
  return v1::REWARD_OUTCOME_UNSPECIFIED;
}

// The path of a program that is named without one.
absl::StatusOr<std::string> FindOnPath(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (const absl::string_view folder :
       absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string file = absl::StrCat(folder, "/", name);
    if (::access(file.c_str(), X_OK) == 0) return file;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      name,
      " is not on the PATH of the reward service; install it, or name "
      "an interpreter"));
}

absl::StatusOr<std::vector<std::string>> ArgumentsOf(
    const v1::RewardComponent& reward, const std::string& shim) {
  if (reward.type() == kCommandReward) {
    return std::vector<std::string>(reward.command().begin(),
                                    reward.command().end());
  }
  AHA_ASSIGN_OR_RETURN(const PythonFunction function,
                       ParsePythonFunction(reward.python()));
  std::string interpreter = reward.program().interpreter();
  if (interpreter.empty()) {
    AHA_ASSIGN_OR_RETURN(interpreter, FindOnPath("python3"));
  }
  return std::vector<std::string>{interpreter, shim, function.file,
                                  function.name};
}

bool Same(const Verdict& a, const Verdict& b) {
  return a.outcome == b.outcome &&
         std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value);
}

// A verdict as errors show it.
std::string Shown(const Verdict& verdict) {
  return verdict.outcome == Outcome::kScore
             ? NumberText(verdict.value)
             : std::string(rewards::OutcomeName(verdict.outcome));
}

}  // namespace

// A reward of the job file, ready to judge.
struct JobScorer::Component {
  std::string name;
  double weight = 1;
  // The rule; null for a program.
  const rewards::VerifierSpec* spec = nullptr;
  std::unique_ptr<const rewards::Verifier> verifier;
  // The program; null for a rule.
  std::string file;
  std::unique_ptr<ProgramPool> program;
  std::optional<double> min_score, max_score;
  // What outcomes other than a score are worth; nothing: an error.
  double on_unparsable = 0, on_limit = 0;
  std::optional<double> on_timeout, on_crash;
  std::atomic<bool> marked{false};  // It is not reproducible, and that is said.

  // "reward right" or "reward right (/home/me/judge)".
  std::string Label() const {
    return absl::StrCat("reward ", name,
                        file.empty() ? "" : absl::StrCat(" (", file, ")"));
  }
  absl::Status Failure(absl::string_view why) const {
    return absl::UnavailableError(absl::StrCat(Label(), ": ", why));
  }
  absl::Status CheckScore(double value) const;
  // The value of a verdict, or why it has none.
  absl::StatusOr<double> Value(const Verdict& verdict) const;
};

absl::Status JobScorer::Component::CheckScore(double value) const {
  if (!std::isfinite(value)) {
    return Failure("its score is not finite");
  }
  if (min_score.has_value() && value < *min_score) {
    return Failure(absl::StrCat("its score ", NumberText(value),
                                " is below program.min_score (",
                                NumberText(*min_score), ")"));
  }
  if (max_score.has_value() && value > *max_score) {
    return Failure(absl::StrCat("its score ", NumberText(value),
                                " is above program.max_score (",
                                NumberText(*max_score), ")"));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> JobScorer::Component::Value(
    const Verdict& verdict) const {
  switch (verdict.outcome) {
    case Outcome::kScore:
      AHA_RETURN_IF_ERROR(CheckScore(verdict.value));
      return verdict.value;
    case Outcome::kUnparsable:
      return on_unparsable;
    case Outcome::kLimit:
      return on_limit;
    case Outcome::kNotApplicable:
      return 0;
    case Outcome::kTimeout:
      if (on_timeout.has_value()) return *on_timeout;
      break;
    case Outcome::kCrash:
      if (on_crash.has_value()) return *on_crash;
      break;
    case Outcome::kInfraError:
      return Failure(verdict.evidence);
  }
  return Failure(absl::StrCat(
      "it says ", rewards::OutcomeName(verdict.outcome), " (", verdict.evidence,
      "), and the job file has no on_", rewards::OutcomeName(verdict.outcome)));
}

// A completion on its way through the components.
struct JobScorer::Pending {
  Completion completion;
  ScoreDone done;
  std::vector<Verdict> verdicts;  // One for each component.
  absl::Status failure;           // A rule cannot judge.
  Mutex mutex;                    // Guards what several programs change.
  size_t missing ABSL_GUARDED_BY(mutex) = 0;  // Verdicts of programs.
};

absl::StatusOr<std::unique_ptr<JobScorer>> JobScorer::Create(const v1::Job& job,
                                                             Options options) {
  std::unique_ptr<JobScorer> scorer(new JobScorer(std::move(options)));
  scorer->patience_ = absl::Seconds(job.cluster().wait_seconds());
  scorer->chat_ = job.prompts().format() == "chat";
  scorer->system_ = job.prompts().system();
  for (int i = 0; i < job.rewards_size(); ++i) {
    AHA_RETURN_IF_ERROR(scorer->AddComponent(job, i));
  }
  return scorer;
}

JobScorer::JobScorer(Options options) : options_(std::move(options)) {}

JobScorer::~JobScorer() { Stop(); }

absl::Status JobScorer::AddComponent(const v1::Job& job, int index) {
  const v1::RewardComponent& reward = job.rewards(index);
  auto component = std::make_unique<Component>();
  component->name = reward.has_name() ? reward.name() : reward.type();
  component->weight = reward.weight();
  component->on_unparsable = reward.on_unparsable();
  component->on_limit = reward.on_limit();
  if (reward.has_on_timeout()) component->on_timeout = reward.on_timeout();
  if (reward.has_on_crash()) component->on_crash = reward.on_crash();
  if (!IsProgramReward(reward)) {
    // What a completion wrote is at fault, not the rule.
    if (!reward.has_on_timeout()) component->on_timeout = 0;
    if (!reward.has_on_crash()) component->on_crash = 0;
    AHA_ASSIGN_OR_RETURN(component->spec, rewards::FindVerifier(reward.type()));
    AHA_ASSIGN_OR_RETURN(
        component->verifier,
        component->spec->make(VerifierSettingsOf(job, reward)));
    components_.push_back(std::move(component));
    return absl::OkStatus();
  }
  const v1::RewardProgram& program = reward.program();
  if (program.has_min_score()) component->min_score = program.min_score();
  if (program.has_max_score()) component->max_score = program.max_score();
  component->file = ProgramFile(reward);
  absl::StatusOr<std::vector<std::string>> argv =
      ArgumentsOf(reward, options_.python_shim);
  if (!argv.ok()) return Annotate(ProgramKey(reward, index), argv.status());
  component->program = std::make_unique<ProgramPool>(ProgramPool::Options{
      .label = component->Label(),
      .argv = *std::move(argv),
      .workers = program.workers(),
      .batch_size = program.batch_size(),
      .timeout = absl::Seconds(program.timeout_seconds()),
      .isolate = reward.has_on_timeout() || reward.has_on_crash(),
      .clock = options_.clock});
  components_.push_back(std::move(component));
  return absl::OkStatus();
}

void JobScorer::Stop() {
  for (const auto& component : components_) {
    if (component->program != nullptr) component->program->Stop();
  }
}

void JobScorer::Score(Completion completion, const ScoreDone& done) {
  auto pending = std::make_shared<Pending>();
  pending->completion = std::move(completion);
  pending->done = done;
  pending->verdicts.resize(components_.size());
  JudgeByRules(*pending);
  std::vector<size_t> programs;
  for (size_t i = 0; i < components_.size(); ++i) {
    if (components_[i]->program != nullptr) programs.push_back(i);
  }
  if (programs.empty() || !pending->failure.ok()) return Finish(*pending);
  if (chat_ && pending->completion.turns.empty()) {
    // As the chat template got it.
    const auto add = [&](const char* role, const std::string& content) {
      v1::PromptTurn& turn = pending->completion.turns.emplace_back();
      turn.set_role(role);
      turn.set_content(content);
    };
    if (!system_.empty()) add("system", system_);
    add("user", pending->completion.prompt);
  }
  {
    MutexLock lock(pending->mutex);
    pending->missing = programs.size();
  }
  for (const size_t index : programs) AskProgram(index, pending);
}

void JobScorer::JudgeByRules(Pending& pending) const {
  const Completion& completion = pending.completion;
  const rewards::Item item = {
      .prompt = {.text = completion.prompt,
                 .reference = completion.reference,
                 .fields = &completion.fields},
      .completion = completion.text,
      .truncated = completion.truncated,
      .tokens = static_cast<int64_t>(completion.token_ids.size())};
  const rewards::Deadline deadline(options_.clock,
                                   options_.clock() + patience_);
  for (size_t i = 0; i < components_.size(); ++i) {
    const Component& component = *components_[i];
    if (component.verifier == nullptr) continue;
    pending.failure =
        rewards::CheckPrompt(*component.spec, *component.verifier, item.prompt);
    if (!pending.failure.ok()) return;
    std::vector<Verdict> verdicts = component.verifier->Score({item}, deadline);
    if (verdicts.size() != 1) {
      pending.failure = absl::InternalError(
          absl::StrCat(component.Label(), ": ", verdicts.size(),
                       " verdicts for one completion"));
      return;
    }
    pending.verdicts[i] = std::move(verdicts[0]);
  }
}

void JobScorer::AskProgram(size_t index,
                           const std::shared_ptr<Pending>& pending) {
  Component& component = *components_[index];
  // The pending completion lives as long as this pointer to a part of it.
  const std::shared_ptr<const Completion> completion(pending,
                                                     &pending->completion);
  const auto arrived = [this, index, pending](Verdict verdict) {
    {
      MutexLock lock(pending->mutex);
      pending->verdicts[index] = std::move(verdict);
      if (--pending->missing > 0) return;
    }
    Finish(*pending);
  };
  if (!IsJudgedTwice(*completion)) {
    return component.program->Judge(completion, arrived);
  }
  component.program->Judge(completion, [this, &component, completion,
                                        arrived](const Verdict& first) {
    if (first.outcome == Outcome::kInfraError) return arrived(first);
    component.program->Judge(completion, [this, &component, completion, arrived,
                                          first](const Verdict& second) {
      Compare(component, *completion, first, second);
      arrived(first);
    });
  });
}

void JobScorer::Compare(Component& component, const Completion& completion,
                        const Verdict& first, const Verdict& second) {
  if (second.outcome == Outcome::kInfraError || Same(first, second)) return;
  Mark(component,
       absl::StrCat(component.Label(), " judged one completion twice (",
                    completion.group.ToString(), " sample ", completion.sample,
                    ") and said ", Shown(first), ", then ", Shown(second)));
}

void JobScorer::Mark(Component& component, const std::string& why) const {
  if (component.marked.exchange(true)) return;
  if (options_.not_reproducible) options_.not_reproducible(why);
}

void JobScorer::Finish(Pending& pending) const {
  if (!pending.failure.ok()) return pending.done(pending.failure);
  pending.done(Sum(pending.verdicts));
}

absl::StatusOr<Score> JobScorer::Sum(
    const std::vector<Verdict>& verdicts) const {
  aha::reward::Score score;
  for (size_t i = 0; i < components_.size(); ++i) {
    Component& component = *components_[i];
    const Verdict& verdict = verdicts[i];
    AHA_ASSIGN_OR_RETURN(const double value, component.Value(verdict));
    if (verdict.outcome == Outcome::kTimeout && component.program != nullptr) {
      Mark(component, absl::StrCat(component.Label(),
                                   ": a time-out was worth on_timeout, and "
                                   "another run may be faster or slower"));
    }
    score.reward += component.weight * value;
    v1::RewardPart& part = score.parts.emplace_back();
    part.set_name(component.name);
    part.set_value(value);
    part.set_weight(component.weight);
    part.set_outcome(OutcomeOf(verdict.outcome));
    part.set_evidence(verdict.evidence);
  }
  return score;
}

bool IsJudgedTwice(const Completion& completion) {
  if (completion.sample != 0) return false;
  if (completion.group.step == 0 && completion.group.slot < 16) return true;
  Hasher hasher;
  hasher.String("judged twice");
  hasher.U64(completion.group.stage);
  hasher.U64(completion.group.step);
  hasher.U64(completion.group.slot);
  return hasher.Finish().bytes[0] % 16 == 0;
}

}  // namespace aha::reward
