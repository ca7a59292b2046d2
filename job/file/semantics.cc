#include "job/file/semantics.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "data/corpus.h"
#include "job/file/schema.h"
#include "job/options.h"
#include "rewards/verifier.h"

namespace aha {
namespace {

constexpr size_t kLongestName = 100;
constexpr int kWidestHead = 1024;              // As ModelConfig::Validate.
constexpr double kLowestTemperature = 1e-3;    // As SamplingParams::Validate.
constexpr int64_t kMostCompletions = 1 << 20;  // Of one step or evaluation.
// Of one group, which travels as one message of at most 64 MiB: 16 bytes each
// for a token's id, its log-probability and its text.
constexpr int64_t kMostTokensOfGroup = 4 << 20;

// Names become directories and metric labels.
void CheckName(const std::string& path, const std::string& name,
               Problems* problems) {
  const bool characters =
      std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
      });
  if (name.empty() || name.size() > kLongestName || !characters ||
      name[0] == '.' || name[0] == '-') {
    problems->Add(path,
                  absl::StrCat("must be 1 to ", kLongestName,
                               " letters, digits, '-', '_' or '.', beginning "
                               "with none of '-' and '.'; got '",
                               name.substr(0, kLongestName), "'"));
  }
}

// `names`: name -> path of its first use.
void CheckUnique(const std::string& path, const std::string& name,
                 std::map<std::string, std::string>* names,
                 Problems* problems) {
  const auto [first, inserted] = names->emplace(name, path);
  if (!inserted) {
    problems->Add(path, absl::StrCat("must be unique; '", name, "' is also at ",
                                     first->second));
  }
}

void CheckArchitecture(const v1::Architecture& shape, Problems* problems) {
  const std::string path = "model.architecture.";
  if (shape.hidden_size() % shape.num_attention_heads() != 0) {
    problems->Add(path + "hidden_size",
                  absl::StrCat("must be divisible by num_attention_heads (",
                               shape.num_attention_heads(), "), got ",
                               shape.hidden_size()));
  } else if (const int head = shape.hidden_size() / shape.num_attention_heads();
             head % 2 != 0 || head > kWidestHead) {
    problems->Add(
        path + "hidden_size",
        absl::StrCat("divided by num_attention_heads must be even for the "
                     "rotary embedding and at most ",
                     kWidestHead, ", got ", shape.hidden_size(), " / ",
                     shape.num_attention_heads()));
  }
  if (shape.num_attention_heads() % shape.num_key_value_heads() != 0) {
    problems->Add(path + "num_key_value_heads",
                  absl::StrCat("must divide num_attention_heads (",
                               shape.num_attention_heads(), "), got ",
                               shape.num_key_value_heads()));
  }
}

void CheckModel(const v1::Job& job, Problems* problems) {
  const v1::Model& model = job.model();
  if (model.has_path() == model.has_architecture()) {
    problems->Add("model", absl::StrCat("must have either path or "
                                        "architecture, has ",
                                        model.has_path() ? "both" : "neither"));
    return;
  }
  if (model.has_path() && model.path().empty()) {
    problems->Add("model.path", "must not be empty");
  }
  if (model.has_architecture()) {
    CheckArchitecture(model.architecture(), problems);
  }
}

void CheckPrompts(const v1::Job& job, Problems* problems) {
  const v1::Prompts& prompts = job.prompts();
  if (prompts.has_file() && prompts.file().empty()) {
    problems->Add("prompts.file", "must not be empty");
  }
  const bool corpus = std::any_of(
      job.stages().begin(), job.stages().end(), [](const v1::Stage& stage) {
        return stage.type() == "sft" && !stage.sft().has_file();
      });
  if (prompts.has_file() && prompts.has_generated() && !corpus) {
    problems->Add("prompts", "must have either file or generated, has both");
  }
  const v1::Generated& generated = prompts.generated();
  if (generated.min_operations() > generated.max_operations()) {
    problems->Add("prompts.generated.min_operations",
                  absl::StrCat("must be at most max_operations (",
                               generated.max_operations(), "), got ",
                               generated.min_operations()));
  }
  if (prompts.format() == "chat" && job.model().has_architecture()) {
    problems->Add("prompts.format",
                  "must be plain with model.architecture, whose tokenizer has "
                  "no chat template; got chat");
  }
  if (prompts.has_system() && prompts.format() != "chat") {
    problems->Add(
        "prompts.system",
        absl::StrCat("needs format: chat, format is ", prompts.format()));
  }
}

// `path` is that of the component.
void CheckTolerance(const std::string& path, const v1::RewardComponent& reward,
                    Problems* problems) {
  const auto spec = rewards::FindVerifier(reward.type());
  if (!spec.ok() || (*spec)->takes_tolerance) return;
  for (const auto& [key, value] :
       {std::pair("tolerance", reward.tolerance()),
        std::pair("relative_tolerance", reward.relative_tolerance())}) {
    if (value == 0) continue;
    problems->Add(ChildPath(path, key),
                  absl::StrCat("must be absent for a reward of type ",
                               reward.type(), ", got ", NumberText(value)));
  }
}

void CheckRewards(const v1::Job& job, Problems* problems) {
  const bool scored = HasStage(job, "grpo") || HasStage(job, "eval");
  if (scored && job.rewards().empty()) {
    problems->Add("rewards",
                  "is required for stages of type grpo and eval, is empty");
    return;
  }
  std::map<std::string, std::string> names;
  bool any_weight = false;
  for (int i = 0; i < job.rewards_size(); ++i) {
    const std::string path = ChildPath(ItemPath("rewards", i), "name");
    CheckName(path, job.rewards(i).name(), problems);
    CheckUnique(path, job.rewards(i).name(), &names, problems);
    any_weight = any_weight || job.rewards(i).weight() != 0;
    CheckTolerance(ItemPath("rewards", i), job.rewards(i), problems);
  }
  if (HasStage(job, "grpo") && !any_weight) {
    problems->Add("rewards", "at least one weight must differ from 0");
  }
}

// `path` is that of the sampling settings.
void CheckContext(const v1::Job& job, const v1::Sampling& sampling,
                  const std::string& path, Problems* problems) {
  // What a directory's model can hold, the learner finds out.
  if (job.model().has_path() || !job.model().has_architecture()) return;
  const int64_t context = job.model().architecture().max_position_embeddings();
  const int64_t prompt = job.prompts().max_prompt_length();
  const int64_t completion = sampling.max_completion_length();
  if (prompt + completion > context) {
    problems->Add(ChildPath(path, "max_completion_length"),
                  absl::StrCat("with prompts.max_prompt_length must be at most "
                               "model.architecture.max_position_embeddings (",
                               context, "), got ", completion, " + ", prompt));
  }
}

void CheckTemperature(const v1::Sampling& sampling, const std::string& path,
                      Problems* problems) {
  const double temperature = sampling.temperature();
  if (temperature > 0 && temperature < kLowestTemperature) {
    problems->Add(
        ChildPath(path, "temperature"),
        absl::StrCat("must be 0 or at least ", NumberText(kLowestTemperature),
                     ", got ", NumberText(temperature)));
  }
}

void CheckOptimizer(const v1::Optimizer& optimizer, int64_t steps,
                    const std::string& path, Problems* problems) {
  if (optimizer.warmup_steps() > steps) {
    problems->Add(ChildPath(path, "warmup_steps"),
                  absl::StrCat("must be at most the stage's steps (", steps,
                               "), got ", optimizer.warmup_steps()));
  }
  if (optimizer.adam_beta1() >= 1) {
    problems->Add(ChildPath(path, "adam_beta1"), "must be below 1, got 1");
  }
  if (optimizer.adam_beta2() >= 1) {
    problems->Add(ChildPath(path, "adam_beta2"), "must be below 1, got 1");
  }
}

void CheckSft(const v1::Sft& sft, const std::string& path, Problems* problems) {
  CheckOptimizer(sft.optimizer(), sft.steps(), ChildPath(path, "optimizer"),
                 problems);
  if (sft.documents_per_step() % sft.documents_per_micro_batch() != 0) {
    problems->Add(ChildPath(path, "documents_per_micro_batch"),
                  absl::StrCat("must divide documents_per_step (",
                               sft.documents_per_step(), "), got ",
                               sft.documents_per_micro_batch()));
  }
  if (sft.has_file() && sft.file().empty()) {
    problems->Add(ChildPath(path, "file"), "must not be empty");
  }
  if (sft.has_file() && sft.has_corpus()) {
    problems->Add(path, "must have either file or corpus, has both");
  }
  if (!sft.has_corpus()) return;
  const CorpusMix mix{sft.corpus().facts(), sft.corpus().terse(),
                      sft.corpus().worked(), sft.corpus().corrected()};
  if (const absl::Status status = mix.Validate(); !status.ok()) {
    problems->Add(ChildPath(path, "corpus"), status.message());
  }
}

// What one step, or one evaluation, samples.
struct GroupCounts {
  std::string prompts_path;
  int64_t prompts;
  std::string generations_path;
  int64_t generations;
  int64_t max_completion_length;
};

void CheckGroups(const GroupCounts& counts, Problems* problems) {
  if (counts.prompts * counts.generations > kMostCompletions) {
    problems->Add(
        counts.prompts_path,
        absl::StrCat("times num_generations must be at most ", kMostCompletions,
                     ", got ", counts.prompts, " x ", counts.generations));
  }
  if (counts.generations * counts.max_completion_length > kMostTokensOfGroup) {
    problems->Add(counts.generations_path,
                  absl::StrCat("times sampling.max_completion_length must be "
                               "at most ",
                               kMostTokensOfGroup, ", got ", counts.generations,
                               " x ", counts.max_completion_length));
  }
}

void CheckGrpo(const v1::Job& job, const v1::Grpo& grpo,
               const std::string& path, Problems* problems) {
  CheckOptimizer(grpo.optimizer(), grpo.steps(), ChildPath(path, "optimizer"),
                 problems);
  CheckGroups({.prompts_path = ChildPath(path, "prompts_per_step"),
               .prompts = grpo.prompts_per_step(),
               .generations_path = ChildPath(path, "num_generations"),
               .generations = grpo.num_generations(),
               .max_completion_length = job.sampling().max_completion_length()},
              problems);
  const double high =
      grpo.has_epsilon_high() ? grpo.epsilon_high() : grpo.epsilon();
  if (grpo.has_delta() && grpo.delta() <= 1 + high) {
    problems->Add(
        ChildPath(path, "delta"),
        absl::StrCat("must be above 1 + epsilon_high (", NumberText(1 + high),
                     "), got ", NumberText(grpo.delta())));
  }
  if (const absl::Status status = LossOptionsOf(job, grpo).status();
      !status.ok()) {
    problems->Add(path, status.message());
  }
  if (job.sampling().temperature() == 0) {
    problems->Add("sampling.temperature",
                  absl::StrCat("must be above 0 for ", path,
                               ": a group of equal completions teaches "
                               "nothing; got 0"));
  }
}

void CheckEval(const v1::Job& job, const v1::Eval& eval,
               const std::string& path, Problems* problems) {
  const std::string sampling = ChildPath(path, "sampling");
  CheckContext(job, eval.sampling(), sampling, problems);
  CheckTemperature(eval.sampling(), sampling, problems);
  CheckGroups(
      {.prompts_path = ChildPath(path, "prompts"),
       .prompts = eval.prompts(),
       .generations_path = ChildPath(path, "num_generations"),
       .generations = eval.num_generations(),
       .max_completion_length = eval.sampling().max_completion_length()},
      problems);
}

void CheckSettingsOfOtherTypes(const v1::Stage& stage, const std::string& path,
                               Problems* problems) {
  const std::pair<const char*, bool> settings[] = {{"sft", stage.has_sft()},
                                                   {"grpo", stage.has_grpo()},
                                                   {"eval", stage.has_eval()}};
  for (const auto& [type, present] : settings) {
    if (present && stage.type() != type) {
      problems->Add(
          ChildPath(path, type),
          absl::StrCat("must be absent in a stage of type ", stage.type()));
    }
  }
}

void CheckStages(const v1::Job& job, Problems* problems) {
  std::map<std::string, std::string> names;
  for (int i = 0; i < job.stages_size(); ++i) {
    const v1::Stage& stage = job.stages(i);
    const std::string path = ItemPath("stages", i);
    CheckName(ChildPath(path, "name"), stage.name(), problems);
    CheckUnique(ChildPath(path, "name"), stage.name(), &names, problems);
    CheckSettingsOfOtherTypes(stage, path, problems);
    if (stage.type() == "sft") {
      CheckSft(stage.sft(), ChildPath(path, "sft"), problems);
    } else if (stage.type() == "grpo") {
      CheckGrpo(job, stage.grpo(), ChildPath(path, "grpo"), problems);
    } else {
      CheckEval(job, stage.eval(), ChildPath(path, "eval"), problems);
    }
  }
  if (HasStage(job, "grpo")) {
    CheckContext(job, job.sampling(), "sampling", problems);
  }
}

}  // namespace

void CheckSemantics(const v1::Job& job, Problems* problems) {
  CheckName("name", job.name(), problems);
  CheckModel(job, problems);
  CheckPrompts(job, problems);
  CheckRewards(job, problems);
  CheckTemperature(job.sampling(), "sampling", problems);
  CheckStages(job, problems);
}

}  // namespace aha
