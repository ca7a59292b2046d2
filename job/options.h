// The settings of a resolved job, as the option structs of rl/ and data/.
//
// All functions return INVALID_ARGUMENT for a name that these libraries do not
// know and for a value that they refuse.  A job that LoadJob or ResolveJob
// returned has neither; a job that came over the wire may.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "rewards/verifier.h"
#include "rl/advantage.h"
#include "rl/losses.h"
#include "rl/schedule.h"

namespace aha {

// Whether the prompts come from files, and not from the generator.
bool HasPromptFiles(const v1::Prompts& prompts);
// What a reward of the job sets for its verifier.
rewards::VerifierSettings VerifierSettingsOf(const v1::Job& job,
                                             const v1::RewardComponent& reward);
// How the rows of the job's prompt files are read.  A reference answer is
// required if one of the rewards needs it.
PromptMapping PromptMappingOf(const v1::Job& job);
// The key that names the source of a split: "prompts.file",
// "prompts.eval_file".
absl::string_view PromptsKey(const v1::Job& job, Split split);

// The prompts of a split: kTrain are the training prompts, kEval the held-out
// ones.  All prompts of a file are training prompts if the held-out ones come
// from prompts.eval_file, or if no stage of the job uses any.
absl::StatusOr<PromptSourceOptions> PromptOptions(const v1::Job& job,
                                                  Split split);
absl::StatusOr<DocumentSourceOptions> DocumentOptions(const v1::Job& job,
                                                      const v1::Sft& sft);
absl::StatusOr<std::unique_ptr<PromptSource>> OpenPrompts(const v1::Job& job,
                                                          Split split);
absl::StatusOr<std::unique_ptr<DocumentSource>> OpenDocuments(
    const v1::Job& job, const v1::Sft& sft);

absl::StatusOr<AdvantageOptions> AdvantageOptionsOf(const v1::Grpo& grpo);
absl::StatusOr<LossOptions> LossOptionsOf(const v1::Job& job,
                                          const v1::Grpo& grpo);
absl::StatusOr<LearningRateSchedule> ScheduleOf(const v1::Optimizer& optimizer,
                                                uint64_t total_steps);

}  // namespace aha
