#include "job/file/semantics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/options.h"
#include "job/reward_program.h"
#include "job/stages/checks.h"
#include "job/stages/stage_kind.h"
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

// `path` is that of the component.
void CheckTolerance(const std::string& path, const v1::RewardComponent& reward,
                    ConfigErrors* errors) {
  const auto spec = rewards::FindVerifier(reward.type());
  if (spec.ok() && (*spec)->takes_tolerance) return;
  for (const auto& [key, value] :
       {std::pair("tolerance", reward.tolerance()),
        std::pair("relative_tolerance", reward.relative_tolerance())}) {
    if (value == 0) continue;
    errors->Add(ChildPath(path, key),
                absl::StrCat("must be absent for a reward of type ",
                             reward.type(), ", got ", NumberText(value)));
  }
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
    CheckTolerance(ItemPath("rewards", i), job.rewards(i), errors);
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
