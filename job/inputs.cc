#include "job/inputs.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/jsonl.h"
#include "data/sources.h"
#include "job/model_setup.h"
#include "job/options.h"
#include "job/prompt_tokens.h"
#include "rewards/verifier.h"

namespace aha {
namespace {

using Lines = std::vector<std::string>;

void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  const std::string& path, int64_t context, Lines* lines) {
  const int64_t prompt = job.prompts().max_prompt_length();
  const int64_t completion = sampling.max_completion_length();
  if (prompt + completion <= context) return;
  lines->push_back(absl::StrCat(
      path,
      ".max_completion_length: with prompts.max_prompt_length must be at "
      "most max_position_embeddings of the model in model.path (",
      context, "), got ", completion, " + ", prompt));
}

void CheckModel(const v1::Job& job, const ModelSetup& setup, Lines* lines) {
  if (job.model().path().empty()) return;
  const absl::Status weights =
      CheckSafetensors(job.model().path(), setup.config);
  if (!weights.ok()) {
    lines->push_back(absl::StrCat("model.path \"", job.model().path(),
                                  "\": ", weights.message()));
  }
  const int64_t context = setup.config.max_position_embeddings;
  bool grpo = false;
  for (int i = 0; i < job.stages_size(); ++i) {
    grpo = grpo || job.stages(i).type() == "grpo";
    if (job.stages(i).type() != "eval") continue;
    CheckContext(job, job.stages(i).eval().sampling(),
                 absl::StrCat("stages[", i, "].eval.sampling"), context, lines);
  }
  if (grpo) CheckContext(job, job.sampling(), "sampling", context, lines);
}

void CheckPrompts(const v1::Job& job, Split split, Lines* lines) {
  const absl::StatusOr<std::unique_ptr<PromptSource>> source =
      OpenPrompts(job, split);
  if (!source.ok()) {
    const std::string line =
        absl::StrCat(job.prompts().has_file() ? "prompts.file: " : "prompts: ",
                     source.status().message());
    // Both splits come from one file.
    if (lines->empty() || lines->back() != line) lines->push_back(line);
    return;
  }
  if (split != Split::kEval) return;
  for (int i = 0; i < job.stages_size(); ++i) {
    const v1::Stage& stage = job.stages(i);
    const auto wanted = static_cast<uint64_t>(stage.eval().prompts());
    if (stage.type() != "eval" || wanted <= (*source)->count()) continue;
    lines->push_back(absl::StrCat(
        "stages[", i, "].eval.prompts: must be at most ", (*source)->count(),
        ", the number of held-out prompts, got ", wanted));
  }
}

// Finds what actors and rewards would refuse in the middle of a run, and shows
// a few of the prompts that they would refuse.
class PromptCheck {
 public:
  // `tokenizer` may be null.
  PromptCheck(const v1::Job& job, const Tokenizer* tokenizer, Lines* lines)
      : job_(job), tokenizer_(tokenizer), lines_(*lines) {
    for (const v1::RewardComponent& reward : job.rewards()) {
      const auto spec = rewards::FindVerifier(reward.type());
      if (!spec.ok()) continue;  // The schema's rules say so.
      auto verifier = (*spec)->make({});
      if (verifier.ok()) verifiers_.emplace_back(*spec, *std::move(verifier));
    }
  }
  ~PromptCheck() {
    if (count_ > kShown) {
      lines_.push_back(
          absl::StrCat("prompts: ", count_ - kShown, " more like these"));
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
    lines_.push_back(absl::StrCat(place, ": ", field, message));
  }

  const v1::Job& job_;
  const Tokenizer* const tokenizer_;
  Lines& lines_;
  std::vector<std::pair<const rewards::VerifierSpec*,
                        std::unique_ptr<rewards::Verifier>>>
      verifiers_;
  int count_ = 0;
};

// Every line of a file that some stage draws from; of the generator's problems,
// which are endless, the first ones.
void CheckEachPrompt(const v1::Job& job, const Tokenizer* tokenizer,
                     Lines* lines) {
  constexpr uint64_t kGenerated = 256;
  PromptCheck check(job, tokenizer, lines);
  const std::string& file = job.prompts().file();
  const bool trains = HasStage(job, "grpo");
  if (file.empty()) {
    const auto source = OpenPrompts(job, trains ? Split::kTrain : Split::kEval);
    for (uint64_t i = 0; source.ok() && i < kGenerated; ++i) {
      const Prompt prompt = (*source)->Get(i);
      check.Check("prompts.generated: " + prompt.id,
                  {.text = prompt.prompt, .reference = prompt.reference});
    }
    return;
  }
  const auto records = LoadPrompts(file);
  if (!records.ok()) return;  // CheckPrompts has said so.
  for (const PromptRecord& record : *records) {
    if (!trains && SplitOf(record.prompt) != Split::kEval) continue;
    check.Check(absl::StrCat(file, ":", record.line),
                {.text = record.prompt,
                 .reference = record.answer,
                 .fields = &record.fields});
  }
}

void CheckDocuments(const v1::Job& job, Lines* lines) {
  for (int i = 0; i < job.stages_size(); ++i) {
    const v1::Stage& stage = job.stages(i);
    if (stage.type() != "sft" || !stage.sft().has_file()) continue;
    const auto source = OpenDocuments(job, stage.sft());
    if (source.ok()) continue;
    lines->push_back(
        absl::StrCat("stages[", i, "].sft.file: ", source.status().message()));
  }
}

}  // namespace

absl::Status CheckInputs(const v1::Job& job) {
  Lines lines;
  const absl::StatusOr<ModelSetup> setup = SetUpModel(job.model());
  if (setup.ok()) {
    CheckModel(job, *setup, &lines);
  } else {
    lines.emplace_back(setup.status().message());
  }
  if (HasStage(job, "grpo")) CheckPrompts(job, Split::kTrain, &lines);
  if (HasStage(job, "eval")) CheckPrompts(job, Split::kEval, &lines);
  if (HasStage(job, "grpo") || HasStage(job, "eval")) {
    CheckEachPrompt(job, setup.ok() ? setup->tokenizer.get() : nullptr, &lines);
  }
  CheckDocuments(job, &lines);
  if (lines.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace aha
