// The settings of a resolved job, as the option structs of rl/ and data/.
//
// All functions return INVALID_ARGUMENT for a name that these libraries do not
// know and for a value that they refuse.  A job that LoadJob or ResolveJob
// returned has neither; a job that came over the wire may.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "rl/advantage.h"
#include "rl/losses.h"
#include "rl/schedule.h"

namespace aha {

// The prompts of a split: kTrain are the training prompts, kEval the held-out
// ones.  If no stage of the job uses held-out prompts, all prompts of a file
// are training prompts.
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
