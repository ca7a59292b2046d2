#include "learner/checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"
#include "google/protobuf/text_format.h"
#include "job/identity.h"
#include "job/stages/stage_kind.h"
#include "nlohmann/json.hpp"
#include "run/layout.h"

namespace aha::learner {
namespace {

namespace fs = std::filesystem;

constexpr char kPartialPrefix[] = ".partial-";
constexpr char kOptimizer[] = "optimizer.safetensors";
constexpr char kPrevious[] = "previous.safetensors";
constexpr char kReference[] = "reference.safetensors";
constexpr char kWeights[] = "model/model.safetensors";
// Numbers of the optimizer's state that are on their way at a time.
constexpr int64_t kPiece = 1 << 18;
constexpr const char* kMoments[] = {"master", "m", "v"};

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? FileError("cannot make directory", path, error.value())
               : absl::OkStatus();
}

absl::Status RemoveAll(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? FileError("cannot remove", path, error.value())
               : absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return FileError("cannot rename to", to, errno);
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// A safetensors header for flat F32 tensors of `count` numbers, in order.
std::string OptimizerHeader(size_t count) {
  std::string text = "{\"__metadata__\":{\"format\":\"pt\"}";
  const size_t bytes = count * sizeof(float);
  for (size_t i = 0; i < std::size(kMoments); ++i) {
    absl::StrAppend(
        &text, ",\"", kMoments[i], "\":{\"dtype\":\"F32\",\"shape\":[", count,
        "],\"data_offsets\":[", i * bytes, ",", (i + 1) * bytes, "]}");
  }
  absl::StrAppend(&text, "}");
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string header(sizeof(uint64_t), '\0');
  const uint64_t length = text.size();
  std::memcpy(header.data(), &length, sizeof(length));
  return header + text;
}

absl::StatusOr<ManifestPart> WriteOptimizer(const std::string& directory,
                                            const ModelState& state) {
  Hasher hasher;
  ManifestPart part{.path = kOptimizer, .bytes = 0, .checksum = {}};
  AHA_ASSIGN_OR_RETURN(FileWriter file, FileWriter::Create(absl::StrCat(
                                            directory, "/", kOptimizer)));
  const auto put = [&](const void* data, size_t size) {
    hasher.Raw(data, size);
    part.bytes += size;
    return file.Write(data, size);
  };
  const int64_t count = state.weights().layout().count();
  const std::string header = OptimizerHeader(static_cast<size_t>(count));
  AHA_RETURN_IF_ERROR(put(header.data(), header.size()));
  std::vector<float> piece(kPiece);
  for (const auto copy :
       {&ModelState::CopyMaster, &ModelState::CopyM, &ModelState::CopyV}) {
    for (int64_t begin = 0; begin < count; begin += kPiece) {
      piece.resize(static_cast<size_t>(std::min(kPiece, count - begin)));
      (state.*copy)(begin, absl::MakeSpan(piece));
      AHA_RETURN_IF_ERROR(put(piece.data(), piece.size() * sizeof(float)));
    }
  }
  AHA_RETURN_IF_ERROR(file.Close());
  part.checksum = hasher.Finish();
  return part;
}

absl::Status ReadOptimizer(const std::string& directory, int64_t count,
                           SavedState* saved) {
  const std::string path = absl::StrCat(directory, "/", kOptimizer);
  AHA_ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path));
  const std::string expected = OptimizerHeader(static_cast<size_t>(count));
  std::string found(expected.size(), '\0');
  AHA_RETURN_IF_ERROR(file.Read(found.data(), found.size()));
  const uint64_t bytes =
      expected.size() + 3 * static_cast<uint64_t>(count) * sizeof(float);
  if (found != expected || file.size() != bytes) {
    return absl::DataLossError(absl::StrCat(
        path, " must hold master, m and v of ", count, " numbers (", bytes,
        " bytes in all), has ", file.size(), " bytes"));
  }
  const uint64_t size = static_cast<uint64_t>(count) * sizeof(float);
  uint64_t at = expected.size() + size;  // Behind the master.
  for (std::vector<float>* numbers : {&saved->m, &saved->v}) {
    numbers->resize(static_cast<size_t>(count));
    AHA_RETURN_IF_ERROR(file.ReadAt(at, numbers->data(), size));
    at += size;
  }
  std::vector<float> piece(kPiece);
  for (int64_t begin = 0; begin < count; begin += kPiece) {
    piece.resize(static_cast<size_t>(std::min(kPiece, count - begin)));
    AHA_RETURN_IF_ERROR(file.Read(piece.data(), piece.size() * sizeof(float)));
    AHA_RETURN_IF_ERROR(saved->TakeMaster(begin, piece));
  }
  return absl::OkStatus();
}

absl::StatusOr<ManifestPart> WriteWeights(const std::string& directory,
                                          const std::string& name,
                                          const Parameters& weights) {
  const std::string path = absl::StrCat(directory, "/", name);
  AHA_RETURN_IF_ERROR(WriteSafetensors(weights, path));
  // The checksum of a version is that of exactly the file's bytes.
  const uint64_t bytes = SafetensorsHeader(weights).size() +
                         static_cast<uint64_t>(weights.bytes());
  return ManifestPart{name, bytes, WeightsChecksum(weights)};
}

absl::Status WriteModelFiles(const std::string& directory,
                             const ModelSetup& setup, Manifest* manifest) {
  std::vector<std::pair<std::string, std::string>> files =
      setup.tokenizer_files;
  files.emplace_back("config.json", setup.config.ToJson());
  for (const auto& [name, content] : files) {
    const std::string path = absl::StrCat("model/", name);
    AHA_RETURN_IF_ERROR(
        ReplaceFile(absl::StrCat(directory, "/", path), content));
    manifest->parts.push_back(
        {path, content.size(), HashBytes(content.data(), content.size())});
  }
  return absl::OkStatus();
}

absl::Status WriteParts(const std::string& directory, const ModelSetup& setup,
                        const ModelState& state, Manifest* manifest) {
  AHA_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(directory, "/model")));
  AHA_RETURN_IF_ERROR(WriteModelFiles(directory, setup, manifest));
  std::vector<ManifestPart>& parts = manifest->parts;
  AHA_ASSIGN_OR_RETURN(parts.emplace_back(),
                       WriteWeights(directory, kWeights, state.weights()));
  if (parts.back().checksum != manifest->weights_checksum) {
    return absl::InternalError(
        absl::StrCat("the weights have checksum ", parts.back().checksum.Hex(),
                     ", the step that made them committed ",
                     manifest->weights_checksum.Hex()));
  }
  AHA_ASSIGN_OR_RETURN(parts.emplace_back(), WriteOptimizer(directory, state));
  if (const Parameters* previous = state.previous_weights()) {
    AHA_ASSIGN_OR_RETURN(parts.emplace_back(),
                         WriteWeights(directory, kPrevious, *previous));
    manifest->previous_checksum = parts.back().checksum;
  }
  if (const Parameters* reference = state.reference_weights()) {
    AHA_ASSIGN_OR_RETURN(parts.emplace_back(),
                         WriteWeights(directory, kReference, *reference));
  }
  std::sort(parts.begin(), parts.end(),
            [](const ManifestPart& a, const ManifestPart& b) {
              return a.path < b.path;
            });
  std::vector<std::string> written{absl::StrCat(directory, "/model")};
  for (const ManifestPart& part : parts) {
    written.push_back(absl::StrCat(directory, "/", part.path));
  }
  AHA_RETURN_IF_ERROR(SyncAll(written));
  return WriteManifest(directory, *manifest);
}

// Puts `partial` in the place of `path`, whatever was there.
absl::Status Install(const std::string& partial, const std::string& path) {
  const std::string old = absl::StrCat(partial, ".old");
  AHA_RETURN_IF_ERROR(RemoveAll(old));
  if (Exists(path)) AHA_RETURN_IF_ERROR(Rename(path, old));
  AHA_RETURN_IF_ERROR(Rename(partial, path));
  AHA_RETURN_IF_ERROR(SyncPath(fs::path(path).parent_path().string()));
  return RemoveAll(old);
}

// A rank 0 that was taken for lost may still be writing when the next one
// writes the same step: each has a place of its own.
const std::string& ProcessName() {
  static const std::string* const name =
      new std::string(absl::StrFormat("%08x", std::random_device()()));
  return *name;
}

bool SamePosition(const Manifest& a, const Manifest& b) {
  return a.job_fingerprint == b.job_fingerprint && a.stage == b.stage &&
         a.next_step == b.next_step && a.stage_done == b.stage_done &&
         a.weights_checksum == b.weights_checksum && a.chain == b.chain;
}

bool StepsConsumeGroups(const v1::Stage& stage) {
  const StageKind* kind = FindStageKind(stage.type());
  return kind != nullptr && kind->traits().consumer == GroupConsumer::kLearner;
}

std::string JobText(const v1::Job& job) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(job, &text);
  return text;
}

}  // namespace

std::string StepName(const v1::Job& job, uint32_t stage, uint64_t step) {
  const int index = static_cast<int>(stage);
  const bool is_the_only_one =
      StepsConsumeGroups(job.stages(index)) &&
      std::count_if(job.stages().begin(), job.stages().end(),
                    StepsConsumeGroups) == 1;
  return run::StepName(
      {.stage = is_the_only_one ? "" : job.stages(index).name(), .step = step});
}

std::string CheckpointPath(const v1::Job& job, const Position& position) {
  return absl::StrCat(run::kCheckpointsFolder, "/",
                      StepName(job, position.stage, position.next_step));
}

absl::StatusOr<std::string> WriteCheckpoint(const std::string& run_directory,
                                            const CheckpointParts& of) {
  const auto& [job, setup, state, position, world_size] = of;
  const std::string name = StepName(job, position.stage, position.next_step);
  std::string relative = CheckpointPath(job, position);
  const std::string path = absl::StrCat(run_directory, "/", relative);
  const std::string partial = absl::StrCat(
      run_directory, "/checkpoints/", kPartialPrefix, name, "-", ProcessName());
  Manifest manifest{
      .job = job.name(),
      .job_fingerprint = ResultFingerprint(job),
      .stage = position.stage,
      .stage_name = job.stages(static_cast<int>(position.stage)).name(),
      .next_step = position.next_step,
      .stage_done = position.stage_done,
      .world_size = world_size,
      .dtype = std::string(NameOf(state.dtype())),
      .weights_checksum = position.weights_checksum,
      .chain = position.chain,
      .previous_checksum = {},
      .num_tokens = position.num_tokens,
      .job_text = JobText(job),
      .parts = {}};
  const absl::StatusOr<Manifest> found = ReadManifest(path);
  if (found.ok() && SamePosition(*found, manifest) &&
      VerifyParts(path, *found).ok()) {
    return relative;
  }
  AHA_RETURN_IF_ERROR(RemoveAll(partial));
  absl::Status written = WriteParts(partial, setup, state, &manifest);
  if (written.ok()) written = Install(partial, path);
  if (!written.ok()) {
    RemoveAll(partial).IgnoreError();
    return written;
  }
  return relative;
}

absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const std::string& directory,
                                                const v1::Job& job,
                                                const ModelSetup& setup) {
  LoadedCheckpoint loaded;
  AHA_ASSIGN_OR_RETURN(loaded.manifest, ReadManifest(directory));
  const Manifest& manifest = loaded.manifest;
  const Hash128 fingerprint = ResultFingerprint(job);
  if (manifest.job_fingerprint != fingerprint) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is a checkpoint of another job: fingerprint ",
        manifest.job_fingerprint.Hex(), ", this job has ", fingerprint.Hex()));
  }
  if (manifest.dtype != NameOf(setup.dtype)) {
    return absl::FailedPreconditionError(
        absl::StrCat(directory, " holds ", manifest.dtype,
                     " weights, model.dtype \"", job.model().dtype(),
                     "\" means ", NameOf(setup.dtype), " on this machine"));
  }
  AHA_RETURN_IF_ERROR(VerifyParts(directory, manifest));
  const auto read = [&](const char* name) {
    return ReadSafetensors(absl::StrCat(directory, "/", name), setup.config,
                           setup.dtype);
  };
  AHA_ASSIGN_OR_RETURN(loaded.state.weights, read(kWeights));
  for (const ManifestPart& part : manifest.parts) {
    if (part.path == kPrevious) {
      AHA_ASSIGN_OR_RETURN(loaded.state.previous, read(kPrevious));
    } else if (part.path == kReference) {
      AHA_ASSIGN_OR_RETURN(loaded.state.reference, read(kReference));
    }
  }
  AHA_RETURN_IF_ERROR(ReadOptimizer(
      directory, loaded.state.weights->layout().count(), &loaded.state));
  return loaded;
}

void RemovePartialCheckpoints(const std::string& run_directory) {
  std::error_code ignored;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(run_directory + "/checkpoints", ignored)) {
    if (!absl::StartsWith(entry.path().filename().string(), kPartialPrefix)) {
      continue;
    }
    const absl::Status removed = RemoveAll(entry.path().string());
    if (removed.ok()) continue;
    AHA_LOG(kWarning) << removed;
  }
}

absl::Status RemoveOldCheckpoints(const std::string& run_directory, int keep,
                                  const Position& position) {
  const std::string root = absl::StrCat(run_directory, "/checkpoints");
  struct Found {
    uint32_t stage;
    uint64_t next_step;
    std::string path;
  };
  std::vector<Found> complete;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    const std::string path = entry.path().string();
    if (absl::StartsWith(entry.path().filename().string(), kPartialPrefix)) {
      AHA_RETURN_IF_ERROR(RemoveAll(path));
      continue;
    }
    const absl::StatusOr<Manifest> manifest = ReadManifest(path);
    if (!manifest.ok()) continue;  // Not ours to judge.
    if (std::pair(manifest->stage, manifest->next_step) >
        std::pair(position.stage, position.next_step)) {
      continue;
    }
    complete.push_back({manifest->stage, manifest->next_step, path});
  }
  if (error) return FileError("cannot list", root, error.value());
  std::sort(
      complete.begin(), complete.end(), [](const Found& a, const Found& b) {
        return std::tie(a.stage, a.next_step) > std::tie(b.stage, b.next_step);
      });
  for (size_t i = static_cast<size_t>(std::max(keep, 1)); i < complete.size();
       ++i) {
    // The manifest first: a half-removed directory is no checkpoint.
    ::unlink(absl::StrCat(complete[i].path, "/", kManifestFile).c_str());
    AHA_RETURN_IF_ERROR(RemoveAll(complete[i].path));
  }
  return absl::OkStatus();
}

}  // namespace aha::learner
