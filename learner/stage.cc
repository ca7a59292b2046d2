#include "learner/stage.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace aha::learner {

bool IsEval(const v1::Job& job, uint32_t stage) {
  return job.stages(static_cast<int>(stage)).type() == "eval";
}

absl::StatusOr<std::unique_ptr<Stage>> Stage::Open(const v1::Job& job,
                                                   uint32_t index,
                                                   uint64_t first_step,
                                                   const ModelSetup& setup,
                                                   ModelState* state) {
  const std::string& type = job.stages(static_cast<int>(index)).type();
  std::unique_ptr<Stage> stage(new Stage(job, index, setup));
  if (type == "grpo") {
    AHA_RETURN_IF_ERROR(stage->OpenGrpo(first_step, state));
  } else if (type == "sft") {
    AHA_RETURN_IF_ERROR(stage->OpenSft(first_step, state));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        "stages[", index, "].type must be sft or grpo to be trained, is \"",
        type, "\""));
  }
  return stage;
}

absl::Status Stage::OpenGrpo(uint64_t first_step, ModelState* state) {
  const v1::Grpo& grpo = job_.stages(static_cast<int>(index_)).grpo();
  steps_ = static_cast<uint64_t>(grpo.steps());
  lag_ = static_cast<uint64_t>(grpo.lag());
  AHA_ASSIGN_OR_RETURN(const GrpoSettings settings,
                       GrpoSettings::FromJob(job_, index_));
  AHA_RETURN_IF_ERROR(state->BeginStage({.optimizer = grpo.optimizer(),
                                         .steps = steps_,
                                         .keep_previous = lag_ > 0,
                                         .keep_reference = grpo.beta() > 0},
                                        first_step));
  grpo_ = std::make_unique<GrpoStep>(settings, state);
  return absl::OkStatus();
}

absl::Status Stage::OpenSft(uint64_t first_step, ModelState* state) {
  const v1::Sft& sft = job_.stages(static_cast<int>(index_)).sft();
  steps_ = static_cast<uint64_t>(sft.steps());
  AHA_RETURN_IF_ERROR(state->BeginStage(
      {.optimizer = sft.optimizer(), .steps = steps_}, first_step));
  AHA_ASSIGN_OR_RETURN(documents_, SftDocuments::Create(job_, index_, setup_));
  sft_ = std::make_unique<SftStep>(index_, documents_.get(), state);
  return absl::OkStatus();
}

GroupRules Stage::Rules(uint64_t epoch, uint32_t rank,
                        uint32_t world_size) const {
  const v1::Grpo& grpo = job_.stages(static_cast<int>(index_)).grpo();
  return {.epoch = epoch,
          .stage = index_,
          .rank = rank,
          .world_size = world_size,
          .slots = static_cast<uint32_t>(grpo.prompts_per_step()),
          .num_generations = static_cast<uint32_t>(grpo.num_generations()),
          .lag = lag_,
          .steps = steps_,
          .vocab_size = static_cast<int32_t>(setup_.config.vocab_size),
          .max_prompt_length = job_.prompts().max_prompt_length(),
          .max_completion_length = job_.sampling().max_completion_length(),
          .max_sequence_length = setup_.config.max_position_embeddings,
          .reward_parts = job_.rewards_size()};
}

absl::StatusOr<StepResult> Stage::Step(
    uint64_t step, absl::Span<const v1::ScoredGroup* const> groups,
    const Hash128& chain, comm::Communicator& comm) {
  return grpo_ ? grpo_->Run(step, groups, chain, comm)
               : sft_->Run(step, chain, comm);
}

}  // namespace aha::learner
