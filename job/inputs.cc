#include "job/inputs.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/sources.h"
#include "job/config_errors.h"
#include "job/model_setup.h"
#include "job/options.h"
#include "job/prompt_tokens.h"
#include "job/reward_program.h"
#include "job/stages/stage_kind.h"
#include "rewards/verifier.h"

namespace aha {
namespace {

bool UsesTrainingPrompts(const StageKind& kind) {
  return kind.traits().prompts == PromptUse::kTrainingShuffled ||
         kind.traits().prompts == PromptUse::kTrainingInOrder;
}

bool UsesHeldOutPrompts(const StageKind& kind) {
  return kind.traits().prompts == PromptUse::kHeldOutInOrder;
}

void CheckModel(const v1::Job& job, const ModelSetup& setup, JobInputs* inputs,
                ConfigErrors* errors) {
  if (job.model().path().empty()) return;
  const absl::Status weights =
      CheckSafetensors(job.model().path(), setup.config);
  if (!weights.ok()) {
    errors->Add(absl::StrCat("model.path \"", job.model().path(), "\""),
                weights.message());
  }
  inputs->context = setup.config.context();
  inputs->context_rule = setup.config.ContextRule();
}

using Source = std::unique_ptr<PromptSource>;

// The prompts of a split; null if they cannot be had.
Source Open(const v1::Job& job, Split split, ConfigErrors* errors) {
  absl::StatusOr<Source> source = OpenPrompts(job, split);
  if (source.ok()) return *std::move(source);
  errors->Add(PromptsKey(job, split), source.status().message());
  return nullptr;
}

std::optional<uint64_t> CountOf(const Source& source) {
  if (source == nullptr) return std::nullopt;
  return source->count();
}

// "prompts.file: 3 of 7473 rows are left out: 2 malformed (x.jsonl:7: ...)".
void NoteSkipped(absl::string_view key, const LoadReport& report,
                 std::vector<std::string>* notes) {
  if (report.skipped.empty()) return;
  notes->push_back(absl::StrCat(
      key, ": ", report.skipped_rows(), " of ", report.rows,
      " rows are left out: ",
      absl::StrJoin(report.skipped, "; ",
                    [](std::string* out, const auto& skipped) {
                      const auto& [cause, rows] = skipped;
                      absl::StrAppend(out, rows.count, " for ", cause,
                                      ", the first at ", rows.first);
                    })));
}

void NoteData(const v1::Job& job, const Source& training,
              const Source& held_out, std::vector<std::string>* notes) {
  for (const auto& [split, source] : {std::pair(Split::kTrain, &training),
                                      std::pair(Split::kEval, &held_out)}) {
    // The file that both splits share is described once.
    const bool again = split == Split::kEval && training != nullptr &&
                       !job.prompts().has_eval_file();
    if (*source == nullptr || (*source)->report() == nullptr || again) continue;
    NoteSkipped(PromptsKey(job, split), *(*source)->report(), notes);
  }
  if (training == nullptr || held_out == nullptr ||
      held_out->report() == nullptr) {
    return;
  }
  if (const uint64_t shared = CountShared(*training, *held_out); shared > 0) {
    notes->push_back(absl::StrCat(
        PromptsKey(job, Split::kEval), ": ", shared, " of ", held_out->count(),
        " held-out prompts are training prompts, too, so accuracy on them "
        "says little about new ones"));
  }
}

// Finds what actors and reward services would refuse in the middle of a run,
// and shows a few of the prompts that they would refuse.
class PromptCheck {
 public:
  // `tokenizer` may be null: then prompts are not encoded.
  PromptCheck(const v1::Job& job, const Tokenizer* tokenizer,
              ConfigErrors* errors)
      : job_(job), tokenizer_(tokenizer), errors_(*errors) {
    for (const v1::RewardComponent& reward : job.rewards()) {
      const auto spec = rewards::FindVerifier(reward.type());
      if (!spec.ok()) continue;  // The rules of the schema report it.
      auto verifier = (*spec)->make(VerifierSettingsOf(job, reward));
      if (verifier.ok()) verifiers_.emplace_back(*spec, *std::move(verifier));
    }
  }
  ~PromptCheck() {
    if (count_ > kShown) {
      errors_.Add("prompts", absl::StrCat(count_ - kShown, " more like these"));
    }
  }
  PromptCheck(const PromptCheck&) = delete;
  PromptCheck& operator=(const PromptCheck&) = delete;

  void Check(const std::string& place, const Prompt& prompt) {
    if (tokenizer_ != nullptr) {
      std::vector<ChatMessage> turns;
      for (const Turn& turn : prompt.turns) {
        turns.push_back({.role = turn.role, .content = turn.content});
      }
      const auto tokens = PromptTokens(*tokenizer_, job_.prompts(),
                                       {.text = prompt.prompt, .turns = turns});
      if (!tokens.ok()) Add(place, "prompt: ", tokens.status().message());
    }
    const rewards::PromptView view = {.text = prompt.prompt,
                                      .reference = prompt.reference,
                                      .fields = &prompt.fields};
    for (const auto& [spec, verifier] : verifiers_) {
      const absl::Status fits = rewards::CheckPrompt(*spec, *verifier, view);
      if (!fits.ok()) Add(place, "", fits.message());
    }
  }

 private:
  static constexpr int kShown = 5;

  void Add(const std::string& place, absl::string_view field,
           absl::string_view message) {
    if (++count_ > kShown) return;
    errors_.Add(place, absl::StrCat(field, message));
  }

  const v1::Job& job_;
  const Tokenizer* const tokenizer_;
  ConfigErrors& errors_;
  std::vector<std::pair<const rewards::VerifierSpec*,
                        std::unique_ptr<rewards::Verifier>>>
      verifiers_;
  int count_ = 0;
};

// Checks the prompts of files that a stage draws from; of the generator's
// exercises, of which there is no end, the first ones.
void CheckEachPrompt(const PromptSource& source, PromptCheck& check) {
  constexpr uint64_t kGenerated = 256;
  const uint64_t count = source.report() == nullptr
                             ? std::min(kGenerated, source.count())
                             : source.count();
  for (uint64_t i = 0; i < count; ++i) {
    check.Check(source.PlaceOf(i), source.Get(i));
  }
}

// With shuffled answers, the training prompts with their own ones, so that an
// error names the line of the answer; else null.
Source OwnAnswers(const v1::Job& job, const Source& training) {
  if (training == nullptr || !job.prompts().shuffled_answers()) return nullptr;
  v1::Job own = job;
  own.mutable_prompts()->set_shuffled_answers(false);
  absl::StatusOr<Source> source = OpenPrompts(own, Split::kTrain);
  return source.ok() ? *std::move(source) : nullptr;
}

}  // namespace

absl::Status CheckInputs(const v1::Job& job, std::vector<std::string>* notes) {
  ConfigErrors errors;
  JobInputs inputs;
  const absl::StatusOr<ModelSetup> setup = SetUpModel(job.model());
  if (setup.ok()) {
    CheckModel(job, *setup, &inputs, &errors);
  } else {
    errors.Add("", setup.status().message());
  }
  Source training, held_out;
  if (AnyStage(job, UsesTrainingPrompts)) {
    training = Open(job, Split::kTrain, &errors);
  }
  if (AnyStage(job, UsesHeldOutPrompts)) {
    held_out = Open(job, Split::kEval, &errors);
  }
  inputs.training_prompts = CountOf(training);
  inputs.held_out_prompts = CountOf(held_out);
  {
    PromptCheck check(job, setup.ok() ? setup->tokenizer.get() : nullptr,
                      &errors);
    if (const Source own = OwnAnswers(job, training)) {
      CheckEachPrompt(*own, check);
    } else if (training != nullptr) {
      CheckEachPrompt(*training, check);
    }
    if (held_out != nullptr) CheckEachPrompt(*held_out, check);
  }
  if (const absl::Status programs = CheckProgramFiles(job); !programs.ok()) {
    errors.Add("", programs.message());
  }
  if (notes != nullptr) NoteData(job, training, held_out, notes);
  for (int i = 0; i < job.stages_size(); ++i) {
    const StageRef at{job, i};
    if (const StageKind* kind = FindStageKind(at.stage().type())) {
      kind->CheckInputs(at, inputs, &errors);
    }
  }
  return errors.ToStatus();
}

}  // namespace aha
