#include "job/file/resolve.h"

#include <string>

#include "data/generator.h"
#include "job/data_preset.h"
#include "job/file/schema.h"
#include "job/options.h"
#include "job/reward_program.h"
#include "job/stages/stage_kind.h"

namespace aha {
namespace {

void FillScalar(Message* message, const FieldDescriptor& field) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      reflection.SetBool(message, &field, field.default_value_bool());
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      reflection.SetDouble(message, &field, field.default_value_double());
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      reflection.SetInt32(message, &field, field.default_value_int32());
      break;
    case FieldDescriptor::CPPTYPE_UINT64:
      reflection.SetUInt64(message, &field, field.default_value_uint64());
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(message, &field, field.default_value_string());
      break;
    default:
      break;
  }
}

// Sets the scalars of the message and of those messages in it that are present.
void FillScalars(Message* message) {
  const Descriptor& descriptor = *message->GetDescriptor();
  const Reflection& reflection = *message->GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_repeated()) {
      for (int j = 0;
           IsMessage(field) && j < reflection.FieldSize(*message, &field);
           ++j) {
        FillScalars(reflection.MutableRepeatedMessage(message, &field, j));
      }
    } else if (reflection.HasField(*message, &field)) {
      if (IsMessage(field)) {
        FillScalars(reflection.MutableMessage(message, &field));
      }
    } else if (field.has_default_value()) {
      FillScalar(message, field);
    }
  }
}

// Settings of another kind than `type` says stay as they are: to add those of
// the right kind would remove them, and CheckSemantics reports them.
void FillStage(const v1::Job& job, v1::Stage* stage) {
  const StageKind* kind = FindStageKind(stage->type());
  if (kind == nullptr) return;
  const absl::string_view settings = SettingsKey(*stage);
  if (!settings.empty() && settings != kind->name()) return;
  kind->FillDefaults(job, stage);
}

void AddMessages(v1::Job* job) {
  job->mutable_prompts();
  job->mutable_sampling();
  job->mutable_checkpoint();
  job->mutable_cluster();
  for (v1::Stage& stage : *job->mutable_stages()) FillStage(*job, &stage);
  if (!HasPromptFiles(job->prompts()) || UsesGenerator(*job)) {
    job->mutable_prompts()->mutable_generated();
  }
}

// Sets the keys of the job itself that follow from others.
void FillDerived(v1::Job* job) {
  for (v1::RewardComponent& reward : *job->mutable_rewards()) {
    FillProgramType(&reward);
    if (IsProgramReward(reward)) reward.mutable_program();
    if (!reward.has_name()) reward.set_name(reward.type());
  }
  v1::Prompts* prompts = job->mutable_prompts();
  FillFromDataPreset(prompts);
  if (prompts->has_generated() && prompts->generated().kinds().empty()) {
    for (const ExerciseKind kind : DefaultExerciseKinds()) {
      prompts->mutable_generated()->add_kinds(
          std::string(ExerciseKindName(kind)));
    }
  }
}

// The default length of prompts must not contradict a short context.
void FillPromptLength(v1::Job* job) {
  if (job->prompts().has_max_prompt_length() ||
      !job->model().has_architecture()) {
    return;
  }
  const int room = job->model().architecture().max_position_embeddings() -
                   job->sampling().max_completion_length();
  if (room >= 1 && room < job->prompts().max_prompt_length()) {
    job->mutable_prompts()->set_max_prompt_length(room);
  }
}

}  // namespace

void FillDefaults(v1::Job* job) {
  AddMessages(job);
  FillPromptLength(job);
  FillDerived(job);
  FillScalars(job);
}

}  // namespace aha
