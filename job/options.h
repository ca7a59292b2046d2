// A resolved job, in the words of rl/ and data/.
//
// INVALID_ARGUMENT: a name that they do not know or a value that they refuse; a
// job of LoadJob or ResolveJob has none, one that came over the wire might.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "rl/advantage.h"
#include "rl/losses.h"
#include "rl/schedule.h"

namespace aha {

bool HasStage(const v1::Job& job, absl::string_view type);

// kTrain: what a grpo stage draws from.  kEval: what an eval stage takes in
// order.  Jobs with a prompt file and no eval stage train on all of it.
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
