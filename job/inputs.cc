#include "job/inputs.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "data/sources.h"
#include "job/model_setup.h"
#include "job/options.h"

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

void CheckModel(const v1::Job& job, Lines* lines) {
  const absl::StatusOr<ModelSetup> setup = SetUpModel(job.model());
  if (!setup.ok()) {
    lines->emplace_back(setup.status().message());
    return;
  }
  if (job.model().path().empty()) return;
  const absl::Status weights =
      CheckSafetensors(job.model().path(), setup->config);
  if (!weights.ok()) {
    lines->push_back(absl::StrCat("model.path \"", job.model().path(),
                                  "\": ", weights.message()));
  }
  const int64_t context = setup->config.max_position_embeddings;
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
  CheckModel(job, &lines);
  if (HasStage(job, "grpo")) CheckPrompts(job, Split::kTrain, &lines);
  if (HasStage(job, "eval")) CheckPrompts(job, Split::kEval, &lines);
  CheckDocuments(job, &lines);
  if (lines.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
}

}  // namespace aha
