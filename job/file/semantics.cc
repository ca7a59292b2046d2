#include "job/file/semantics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/options.h"
#include "job/reward_program.h"
#include "job/stages/checks.h"
#include "job/stages/stage_kind.h"
#include "nlohmann/json.hpp"
#include "rewards/verifier.h"

namespace aha {
namespace {

constexpr size_t kMaxName = 100;
constexpr int kMaxHeadDim = 1024;  // See ModelConfig::Validate.

// Names become directories and labels of metrics.
void CheckName(const std::string& path, const std::string& name,
               ConfigErrors* errors) {
  const bool characters =
      std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
      });
  if (name.empty() || name.size() > kMaxName || !characters || name[0] == '.' ||
      name[0] == '-') {
    errors->Add(path,
                absl::StrCat("must be 1 to ", kMaxName,
                             " letters, digits, '-', '_' or '.', beginning "
                             "with none of '-' and '.'; got '",
                             name.substr(0, kMaxName), "'"));
  }
}

// `names` maps each name to the path of its first use.
void CheckUnique(const std::string& path, const std::string& name,
                 std::map<std::string, std::string>* names,
                 ConfigErrors* errors) {
  const auto [first, inserted] = names->emplace(name, path);
  if (!inserted) {
    errors->Add(path, absl::StrCat("must be unique; '", name, "' is also at ",
                                   first->second));
  }
}

void CheckArchitecture(const v1::Architecture& shape, ConfigErrors* errors) {
  const std::string path = "model.architecture.";
  if (shape.hidden_size() % shape.num_attention_heads() != 0) {
    errors->Add(path + "hidden_size",
                absl::StrCat("must be divisible by num_attention_heads (",
                             shape.num_attention_heads(), "), got ",
                             shape.hidden_size()));
  } else if (const int head = shape.hidden_size() / shape.num_attention_heads();
             head % 2 != 0 || head > kMaxHeadDim) {
    errors->Add(
        path + "hidden_size",
        absl::StrCat("divided by num_attention_heads must be even for the "
                     "rotary embedding and at most ",
                     kMaxHeadDim, ", got ", shape.hidden_size(), " / ",
                     shape.num_attention_heads()));
  }
  if (shape.num_attention_heads() % shape.num_key_value_heads() != 0) {
    errors->Add(path + "num_key_value_heads",
                absl::StrCat("must divide num_attention_heads (",
                             shape.num_attention_heads(), "), got ",
                             shape.num_key_value_heads()));
  }
}

void CheckModel(const v1::Job& job, ConfigErrors* errors) {
  const v1::Model& model = job.model();
  if (model.has_path() == model.has_architecture()) {
    errors->Add("model", absl::StrCat("must have either path or "
                                      "architecture, has ",
                                      model.has_path() ? "both" : "neither"));
    return;
  }
  if (model.has_path() && model.path().empty()) {
    errors->Add("model.path", "must not be empty");
  }
  if (model.has_architecture()) {
    CheckArchitecture(model.architecture(), errors);
  }
}

// The keys of prompts that say something about its files.
void CheckPromptFiles(const v1::Job& job, ConfigErrors* errors) {
  const v1::Prompts& prompts = job.prompts();
  if (prompts.has_file() && prompts.file().empty()) {
    errors->Add("prompts.file", "must not be empty");
  }
  if (prompts.has_eval_file() && prompts.eval_file().empty()) {
    errors->Add("prompts.eval_file", "must not be empty");
  }
  for (int i = 0; i < prompts.files_size(); ++i) {
    if (!prompts.files(i).empty()) continue;
    errors->Add(ItemPath("prompts.files", i), "must not be empty");
  }
  if (prompts.has_file() && prompts.files_size() > 0) {
    errors->Add("prompts", "must have either file or files, has both");
  }
  if (HasPromptFiles(prompts)) {
    if (prompts.has_generated() && !UsesGenerator(job)) {
      errors->Add("prompts", "must have either file or generated, has both");
    }
  } else {
    for (const auto& [key, given] :
         {std::pair("preset", prompts.has_preset()),
          std::pair("fields", prompts.has_fields()),
          std::pair("extract", prompts.has_extract()),
          std::pair("eval_file", prompts.has_eval_file())}) {
      if (!given) continue;
      errors->Add(ChildPath("prompts", key),
                  "needs prompts.file or prompts.files, there is neither");
    }
  }
  if (prompts.extract().has_boxed() && !prompts.extract().boxed()) {
    errors->Add("prompts.extract.boxed",
                "must be true or be left out, got false");
  }
  if (const auto mapper = PromptMapper::Create(PromptMappingOf(job));
      !mapper.ok()) {
    errors->Add("prompts", mapper.status().message());
  }
}

void CheckPrompts(const v1::Job& job, ConfigErrors* errors) {
  const v1::Prompts& prompts = job.prompts();
  CheckPromptFiles(job, errors);
  const v1::Generated& generated = prompts.generated();
  if (generated.min_operations() > generated.max_operations()) {
    errors->Add("prompts.generated.min_operations",
                absl::StrCat("must be at most max_operations (",
                             generated.max_operations(), "), got ",
                             generated.min_operations()));
  }
  if (prompts.format() == "chat" && job.model().has_architecture()) {
    errors->Add("prompts.format",
                "must be plain with model.architecture, whose tokenizer has "
                "no chat template; got chat");
  }
  if (prompts.has_chat_template_kwargs() &&
      !nlohmann::json::parse(prompts.chat_template_kwargs(), nullptr, false)
           .is_object()) {
    errors->Add("prompts.chat_template_kwargs",
                absl::StrCat("must be a JSON object, got '",
                             prompts.chat_template_kwargs(), "'"));
  }
  if (prompts.has_system() && prompts.format() != "chat") {
    errors->Add("prompts.system", absl::StrCat("needs format: chat, format is ",
                                               prompts.format()));
  }
}

bool RequiresRewards(const StageKind& kind) {
  return kind.rewards() == RewardsNeed::kRequired;
}

// "grpo and eval": the kinds that cannot do without rewards.
std::string KindsThatRequireRewards() {
  std::vector<absl::string_view> names;
  for (const StageKind* kind : StageKinds()) {
    if (RequiresRewards(*kind)) names.push_back(kind->name());
  }
  return absl::StrJoin(names, " and ");
}

constexpr absl::string_view kKeysOfEveryReward[] = {
    "type", "name", "weight", "on_unparsable", "on_limit"};
constexpr absl::string_view kKeysOfPrograms[] = {"command", "python", "program",
                                                 "on_timeout", "on_crash"};

std::string SettingText(const v1::RewardComponent& reward,
                        const google::protobuf::FieldDescriptor& field) {
  const google::protobuf::Reflection& values = *reward.GetReflection();
  switch (field.cpp_type()) {
    case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(values.GetDouble(reward, &field));
    case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(values.GetInt32(reward, &field));
    default:
      return absl::StrCat("'", values.GetString(reward, &field), "'");
  }
}

// Whether the component's verifier reads the settings that it has, and takes
// them.  `path` is that of the component.
void CheckVerifierSettings(const std::string& path, const v1::Job& job,
                           const v1::RewardComponent& reward,
                           ConfigErrors* errors) {
  const auto spec = rewards::FindVerifier(reward.type());
  // The rules of the schema report an unknown type.
  if (!spec.ok() && !IsProgramReward(reward)) return;
  // A program reads none of a verifier's settings.
  const std::vector<absl::string_view> takes =
      spec.ok() ? (*spec)->takes : std::vector<absl::string_view>();
  const auto& descriptor = *v1::RewardComponent::descriptor();
  // Every key has its default by now.
  const v1::RewardComponent defaults;
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const auto& field = *descriptor.field(i);
    // Those of programs are checked by CheckProgramReward.
    const bool is_setting =
        !absl::c_linear_search(kKeysOfEveryReward, field.name()) &&
        !absl::c_linear_search(kKeysOfPrograms, field.name());
    if (!is_setting || absl::c_linear_search(takes, field.name()) ||
        !reward.GetReflection()->HasField(reward, &field)) {
      continue;
    }
    const std::string value = SettingText(reward, field);
    if (field.has_default_value() && value == SettingText(defaults, field)) {
      continue;
    }
    errors->Add(ChildPath(path, field.name()),
                absl::StrCat("must be absent for a reward of type ",
                             reward.type(), ", got ", value));
  }
  if (!spec.ok()) return;
  const absl::Status made =
      (*spec)->make(VerifierSettingsOf(job, reward)).status();
  if (!made.ok()) errors->Add(path, std::string(made.message()));
}

void CheckRewards(const v1::Job& job, ConfigErrors* errors) {
  if (job.rewards().empty() && AnyStage(job, RequiresRewards)) {
    errors->Add("rewards",
                absl::StrCat("is required for stages of type ",
                             KindsThatRequireRewards(), ", is empty"));
    return;
  }
  std::map<std::string, std::string> names;
  for (int i = 0; i < job.rewards_size(); ++i) {
    const std::string path = ChildPath(ItemPath("rewards", i), "name");
    CheckName(path, job.rewards(i).name(), errors);
    CheckUnique(path, job.rewards(i).name(), &names, errors);
    CheckVerifierSettings(ItemPath("rewards", i), job, job.rewards(i), errors);
    CheckProgramReward(job, i, ItemPath("rewards", i), errors);
  }
}

void CheckSettings(const StageRef& at, ConfigErrors* errors) {
  const StageKind* kind = FindStageKind(at.stage().type());
  if (kind == nullptr) return;  // CheckRules has reported the type.
  const absl::string_view settings = SettingsKey(at.stage());
  if (settings == kind->name()) {
    kind->Check(at, errors);
  } else {
    errors->Add(
        ChildPath(at.path(), settings),
        absl::StrCat("must be absent in a stage of type ", kind->name()));
  }
}

void CheckStages(const v1::Job& job, ConfigErrors* errors) {
  std::map<std::string, std::string> names;
  for (int i = 0; i < job.stages_size(); ++i) {
    const StageRef at{job, i};
    const std::string path = ChildPath(at.path(), "name");
    CheckName(path, at.stage().name(), errors);
    CheckUnique(path, at.stage().name(), &names, errors);
    CheckSettings(at, errors);
  }
}

}  // namespace

void CheckSemantics(const v1::Job& job, ConfigErrors* errors) {
  CheckName("name", job.name(), errors);
  CheckModel(job, errors);
  CheckPrompts(job, errors);
  CheckRewards(job, errors);
  CheckTemperature(job.sampling(), "sampling", errors);
  CheckStages(job, errors);
}

}  // namespace aha
