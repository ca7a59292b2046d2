#include "job/identity.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "data/prompt_file.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "job/reward_program.h"
#include "job/stages/stage_kind.h"
#include "run/manifest.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

absl::Status Measure(const std::string& key, const fs::path& path,
                     InputFiles* files) {
  const absl::StatusOr<ManifestPart> part = MeasurePart(
      path.parent_path().empty() ? "." : path.parent_path(), path.filename());
  if (!part.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": ", part.status().message()));
  }
  (*files)[key] =
      absl::StrCat(part->bytes, " bytes, checksum ", part->checksum.Hex());
  return absl::OkStatus();
}

// Of a directory, the files that are read as data, and their number, so that a
// file that was added or removed is noticed, too.
absl::Status MeasureData(const std::string& key, const std::string& path,
                         InputFiles* files) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return Measure(key, path, files);
  const auto listed = ListDataFiles({path});
  if (!listed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": ", listed.status().message()));
  }
  (*files)[key] = absl::StrCat(listed->size(), " data files");
  for (const DataFile& file : *listed) {
    AHA_RETURN_IF_ERROR(
        Measure(absl::StrCat(key, "/", file.label), file.path, files));
  }
  return absl::OkStatus();
}

}  // namespace

Hash128 ResultFingerprint(const v1::Job& job) {
  v1::Job decisive = job;
  decisive.clear_name();
  decisive.clear_cluster();
  decisive.clear_checkpoint();
  // How many processes of a program run, and how long each may take, decides
  // nothing unless a time-out is worth something.
  for (v1::RewardComponent& reward : *decisive.mutable_rewards()) {
    // The key is younger than the runs that are resumed; its default means what
    // its absence meant.
    if (reward.ngram_size() == v1::RewardComponent().ngram_size()) {
      reward.clear_ngram_size();
    }
    if (!reward.has_program()) continue;
    reward.mutable_program()->clear_workers();
    reward.mutable_program()->clear_batch_size();
    if (!reward.has_on_timeout()) {
      reward.mutable_program()->clear_timeout_seconds();
    }
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    decisive.SerializeToCodedStream(&coded);
  }
  return HashBytes(bytes.data(), bytes.size());
}

absl::StatusOr<InputFiles> MeasurePrompts(const v1::Job& job) {
  InputFiles files;
  const v1::Prompts& prompts = job.prompts();
  if (prompts.has_file()) {
    AHA_RETURN_IF_ERROR(MeasureData("prompts.file", prompts.file(), &files));
  }
  for (int i = 0; i < prompts.files_size(); ++i) {
    AHA_RETURN_IF_ERROR(
        MeasureData(ItemPath("prompts.files", i), prompts.files(i), &files));
  }
  if (prompts.has_eval_file()) {
    AHA_RETURN_IF_ERROR(
        MeasureData("prompts.eval_file", prompts.eval_file(), &files));
  }
  return files;
}

absl::StatusOr<InputFiles> MeasureRewards(const v1::Job& job) {
  InputFiles files;
  for (int i = 0; i < job.rewards_size(); ++i) {
    const v1::RewardComponent& reward = job.rewards(i);
    if (!IsProgramReward(reward)) continue;
    AHA_RETURN_IF_ERROR(
        Measure(ProgramKey(reward, i), ProgramFile(reward), &files));
  }
  return files;
}

absl::StatusOr<InputFiles> MeasureDocuments(const v1::Job& job) {
  InputFiles files;
  absl::Status status;
  for (int i = 0; i < job.stages_size(); ++i) {
    const StageRef at{job, i};
    const StageKind* kind = FindStageKind(at.stage().type());
    if (kind == nullptr) continue;
    v1::Stage stage = at.stage();  // VisitFiles may change what it visits.
    kind->VisitFiles(&stage, [&](absl::string_view key, std::string* file) {
      status.Update(Measure(ChildPath(at.settings_path(), key), *file, &files));
    });
  }
  AHA_RETURN_IF_ERROR(status);
  return files;
}

absl::StatusOr<InputFiles> MeasureModel(const v1::Model& model,
                                        WithWeights weights) {
  InputFiles files;
  if (model.path().empty()) return files;
  std::error_code error;
  std::vector<fs::path> paths;
  for (auto it = fs::directory_iterator(model.path(), error);
       !error && it != fs::directory_iterator(); it.increment(error)) {
    const std::string extension = it->path().extension();
    const bool text = extension == ".json" || extension == ".jinja";
    const bool tensors = extension == ".safetensors";
    if (text || (tensors && weights == WithWeights::kYes)) {
      paths.push_back(it->path());
    }
  }
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.path \"", model.path(), "\": ", error.message()));
  }
  for (const fs::path& path : paths) {
    AHA_RETURN_IF_ERROR(Measure(
        absl::StrCat("model.path/", path.filename().string()), path, &files));
  }
  return files;
}

}  // namespace aha
