#include "job/file/job.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "job/config_errors.h"
#include "job/file/overrides.h"
#include "job/file/reader.h"
#include "job/file/resolve.h"
#include "job/file/rules.h"
#include "job/file/semantics.h"
#include "job/file/yaml_node.h"
#include "job/reward_program.h"
#include "job/stages/stage_kind.h"

namespace aha {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;  // YAML's own limit is below.

absl::StatusOr<std::string> ReadJobFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxBytes);
  if (text.ok() || absl::IsNotFound(text.status())) return text;
  return absl::InvalidArgumentError(
      absl::StrCat(text.status().message(), "; a job file must be given"));
}

absl::Status Complete(v1::Job* job, ConfigErrors* errors) {
  FillDefaults(job);
  CheckRules(*job, errors);
  AHA_RETURN_IF_ERROR(errors->ToStatus());
  CheckSemantics(*job, errors);
  return errors->ToStatus();
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute =
      std::filesystem::absolute(path, error).lexically_normal();
  return error ? path : absolute.string();
}

}  // namespace

void MakePathsAbsolute(v1::Job* job) {
  if (!job->model().path().empty()) {
    job->mutable_model()->set_path(AbsolutePath(job->model().path()));
  }
  v1::Prompts* const prompts = job->mutable_prompts();
  if (!prompts->file().empty())
    prompts->set_file(AbsolutePath(prompts->file()));
  for (std::string& file : *prompts->mutable_files()) {
    if (!file.empty()) file = AbsolutePath(file);
  }
  if (!prompts->eval_file().empty()) {
    prompts->set_eval_file(AbsolutePath(prompts->eval_file()));
  }
  for (v1::RewardComponent& reward : *job->mutable_rewards()) {
    MakeProgramAbsolute(&reward);
  }
  for (v1::Stage& stage : *job->mutable_stages()) {
    const StageKind* kind = FindStageKind(stage.type());
    if (kind == nullptr) continue;
    kind->VisitFiles(&stage, [](absl::string_view, std::string* file) {
      if (!file->empty()) *file = AbsolutePath(*file);
    });
  }
}

absl::StatusOr<v1::Job> ParseJob(absl::string_view text, absl::string_view name,
                                 absl::Span<const std::string> overrides) {
  AHA_ASSIGN_OR_RETURN(YamlNode root, ParseYaml(text, name));
  for (const std::string& assignment : overrides) {
    AHA_RETURN_IF_ERROR(ApplyOverride(assignment, &root));
  }
  v1::Job job;
  Places places;
  ConfigErrors errors(&places);
  ReadJob(root, &job, &places, &errors);
  AHA_RETURN_IF_ERROR(errors.ToStatus());
  AHA_RETURN_IF_ERROR(Complete(&job, &errors));
  return job;
}

absl::StatusOr<v1::Job> LoadJob(const std::string& path,
                                absl::Span<const std::string> overrides) {
  AHA_ASSIGN_OR_RETURN(const std::string text, ReadJobFile(path));
  return ParseJob(text, path, overrides);
}

absl::StatusOr<v1::Job> ResolveJob(const v1::Job& job) {
  v1::Job resolved = job;
  const Places places;
  ConfigErrors errors(&places);
  AHA_RETURN_IF_ERROR(Complete(&resolved, &errors));
  return resolved;
}

}  // namespace aha
