#include "job/inputs.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/jsonl.h"
#include "data/sources.h"
#include "job/config_errors.h"
#include "job/model_setup.h"
#include "job/options.h"
#include "job/prompt_tokens.h"
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

// The number of prompts of a split; nothing if they cannot be had.
std::optional<uint64_t> CountPrompts(const v1::Job& job, Split split,
                                     ConfigErrors* errors) {
  const absl::StatusOr<std::unique_ptr<PromptSource>> source =
      OpenPrompts(job, split);
  if (source.ok()) return (*source)->count();
  errors->Add(job.prompts().has_file() ? "prompts.file" : "prompts",
              source.status().message());
  return std::nullopt;
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
      auto verifier = (*spec)->make({});
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

  void Check(const std::string& place, const rewards::PromptView& prompt) {
    if (tokenizer_ != nullptr) {
      const auto tokens =
          PromptTokens(*tokenizer_, job_.prompts(), prompt.text);
      if (!tokens.ok()) Add(place, "prompt: ", tokens.status().message());
    }
    for (const auto& [spec, verifier] : verifiers_) {
      const absl::Status fits = rewards::CheckPrompt(*spec, *verifier, prompt);
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

// Checks every line of a file that a stage draws from; of the generator's
// exercises, of which there is no end, the first ones.
void CheckEachPrompt(const v1::Job& job, const Tokenizer* tokenizer,
                     ConfigErrors* errors) {
  constexpr uint64_t kGenerated = 256;
  PromptCheck check(job, tokenizer, errors);
  const std::string& file = job.prompts().file();
  const bool training = AnyStage(job, UsesTrainingPrompts);
  if (file.empty()) {
    const auto source =
        OpenPrompts(job, training ? Split::kTrain : Split::kEval);
    for (uint64_t i = 0; source.ok() && i < kGenerated; ++i) {
      const Prompt prompt = (*source)->Get(i);
      check.Check("prompts.generated: " + prompt.id,
                  {.text = prompt.prompt, .reference = prompt.reference});
    }
    return;
  }
  const auto records = LoadPrompts(file);
  if (!records.ok()) return;  // CountPrompts has reported it.
  for (const PromptRecord& record : *records) {
    if (!training && SplitOf(record.prompt) != Split::kEval) continue;
    check.Check(absl::StrCat(file, ":", record.line),
                {.text = record.prompt,
                 .reference = record.answer,
                 .fields = &record.fields});
  }
}

}  // namespace

absl::Status CheckInputs(const v1::Job& job) {
  ConfigErrors errors;
  JobInputs inputs;
  const absl::StatusOr<ModelSetup> setup = SetUpModel(job.model());
  if (setup.ok()) {
    CheckModel(job, *setup, &inputs, &errors);
  } else {
    errors.Add("", setup.status().message());
  }
  const bool training = AnyStage(job, UsesTrainingPrompts);
  const bool held_out = AnyStage(job, UsesHeldOutPrompts);
  if (training) {
    inputs.training_prompts = CountPrompts(job, Split::kTrain, &errors);
  }
  if (held_out) {
    inputs.held_out_prompts = CountPrompts(job, Split::kEval, &errors);
  }
  if (training || held_out) {
    CheckEachPrompt(job, setup.ok() ? setup->tokenizer.get() : nullptr,
                    &errors);
  }
  for (int i = 0; i < job.stages_size(); ++i) {
    const StageRef at{job, i};
    if (const StageKind* kind = FindStageKind(at.stage().type())) {
      kind->CheckInputs(at, inputs, &errors);
    }
  }
  return errors.ToStatus();
}

}  // namespace aha
