// A resolved job, in the words of rl/ and data/.
//
// All functions are pure.  REQUIRES: the job came from LoadJob or ResolveJob.
#pragma once

#include "aha/v1/job.pb.h"
#include "data/sources.h"
#include "rl/advantage.h"
#include "rl/losses.h"
#include "rl/schedule.h"

namespace aha {

// kTrain: what a grpo stage draws from.  kEval: what an eval stage takes in
// order.  Jobs with a prompt file and no eval stage train on all of it.
PromptSourceOptions PromptOptions(const v1::Job& job, Split split);
DocumentSourceOptions DocumentOptions(const v1::Job& job, const v1::Sft& sft);
AdvantageOptions AdvantageOptionsOf(const v1::Grpo& grpo);
LossOptions LossOptionsOf(const v1::Job& job, const v1::Grpo& grpo);
LearningRateSchedule ScheduleOf(const v1::Optimizer& optimizer,
                                uint64_t total_steps);

}  // namespace aha
