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
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/status.h"
#include "google/protobuf/text_format.h"
#include "job/identity.h"
#include "job/stages/stage_kind.h"
#include "learner/bytes.h"
#include "model/formats/import.h"
#include "nlohmann/json.hpp"
#include "run/layout.h"

namespace aha::learner {
namespace {

namespace fs = std::filesystem;

constexpr char kPartialPrefix[] = ".partial-";
constexpr char kOptimizerPrefix[] = "optimizer";
constexpr char kPrevious[] = "previous.safetensors";
constexpr char kReference[] = "reference.safetensors";
constexpr char kWeights[] = "model/model.safetensors";
// The elements of the optimizer's state that are copied at a time.
constexpr size_t kPiece = 1 << 18;
constexpr uint64_t kMaxHeaderBytes = 1 << 16;
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

// The elements that an optimizer file holds, of `count` in all.
struct OptimizerRange {
  comm::Shard shard;
  size_t count = 0;
};

// The safetensors header of flat F32 tensors with the elements of `range`.
std::string OptimizerHeader(const OptimizerRange& range) {
  const auto& [shard, count] = range;
  std::string text = "{\"__metadata__\":{\"format\":\"pt\"";
  if (shard.size() < count) {
    absl::StrAppend(&text, ",\"begin\":\"", shard.begin, "\",\"end\":\"",
                    shard.end, "\",\"count\":\"", count, "\"");
  }
  absl::StrAppend(&text, "}");
  const size_t bytes = shard.size() * sizeof(float);
  for (size_t i = 0; i < std::size(kMoments); ++i) {
    absl::StrAppend(&text, ",\"", kMoments[i],
                    "\":{\"dtype\":\"F32\",\"shape\":[", shard.size(),
                    "],\"data_offsets\":[", i * bytes, ",", (i + 1) * bytes,
                    "]}");
  }
  absl::StrAppend(&text, "}");
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string header(sizeof(uint64_t), '\0');
  const uint64_t length = text.size();
  std::memcpy(header.data(), &length, sizeof(length));
  return header + text;
}

// "optimizer.safetensors", "optimizer-00002-of-00003.safetensors".
std::string OptimizerFile(const Sharding& sharding) {
  return sharding.ranks == 1
             ? absl::StrCat(kOptimizerPrefix, ".safetensors")
             : absl::StrFormat("%s-%05d-of-%05d.safetensors", kOptimizerPrefix,
                               sharding.rank + 1, sharding.ranks);
}

absl::StatusOr<ManifestPart> WriteOptimizer(const std::string& directory,
                                            const ModelState& state) {
  Hasher hasher;
  ManifestPart part{
      .path = OptimizerFile(state.sharding()), .bytes = 0, .checksum = {}};
  const std::string path = absl::StrCat(directory, "/", part.path);
  AHA_RETURN_IF_ERROR(MakeDirectories(directory));
  AHA_ASSIGN_OR_RETURN(FileWriter file, FileWriter::Create(path));
  const auto put = [&](const void* data, size_t size) {
    hasher.Raw(data, size);
    part.bytes += size;
    return file.Write(data, size);
  };
  const comm::Shard& shard = state.shard();
  const std::string header = OptimizerHeader(
      {shard, static_cast<size_t>(state.weights().layout().count())});
  AHA_RETURN_IF_ERROR(put(header.data(), header.size()));
  std::vector<float> piece(kPiece);
  for (const auto copy :
       {&ModelState::CopyMaster, &ModelState::CopyM, &ModelState::CopyV}) {
    for (size_t begin = shard.begin; begin < shard.end; begin += kPiece) {
      piece.resize(std::min(kPiece, shard.end - begin));
      (state.*copy)(static_cast<int64_t>(begin), absl::MakeSpan(piece));
      AHA_RETURN_IF_ERROR(put(piece.data(), piece.size() * sizeof(float)));
    }
  }
  AHA_RETURN_IF_ERROR(file.Close());
  // Rank 0 syncs all its files at once (WriteRest).
  if (state.sharding().rank != 0) AHA_RETURN_IF_ERROR(SyncPath(path));
  part.checksum = hasher.Finish();
  return part;
}

// One file of the optimizer's state, open for reading.
struct OptimizerSource {
  std::string path;
  FileReader file;
  OptimizerRange range;
  uint64_t data = 0;  // Offset of the master's first element.
};

// The range that the header's text says; an error if it is not such a header.
absl::StatusOr<OptimizerRange> RangeOf(const std::string& text, size_t count) {
  const nlohmann::json header =
      nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  OptimizerRange range{.shard = {0, count}, .count = count};
  if (!header.is_object() || !header.contains("__metadata__")) {
    return absl::DataLossError("the header has no __metadata__");
  }
  const nlohmann::json& metadata = header["__metadata__"];
  if (!metadata.contains("begin")) return range;  // The whole state.
  size_t found = 0;
  for (const auto& [name, number] :
       {std::pair("begin", &range.shard.begin),
        std::pair("end", &range.shard.end), std::pair("count", &found)}) {
    const auto it = metadata.find(name);
    if (it == metadata.end() || !it->is_string() ||
        !absl::SimpleAtoi(it->get<std::string>(), number)) {
      return absl::DataLossError(
          absl::StrCat("__metadata__.", name, " must be a number"));
    }
  }
  if (found != count || range.shard.begin > range.shard.end ||
      range.shard.end > count) {
    return absl::DataLossError(absl::StrCat(
        "must hold elements of ", count, ", says ", range.shard.begin, " to ",
        range.shard.end, " of ", found));
  }
  return range;
}

absl::StatusOr<OptimizerSource> OpenOptimizer(const std::string& path,
                                              size_t count) {
  AHA_ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path));
  uint64_t length = 0;
  AHA_RETURN_IF_ERROR(file.Read(&length, sizeof(length)));
  std::string text(std::min(length, kMaxHeaderBytes), '\0');
  AHA_RETURN_IF_ERROR(file.Read(text.data(), text.size()));
  const absl::StatusOr<OptimizerRange> range = RangeOf(text, count);
  if (!range.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", range.status().message()));
  }
  const std::string expected = OptimizerHeader(*range);
  const size_t elements = range->shard.size();
  const uint64_t bytes =
      expected.size() + std::size(kMoments) * elements * sizeof(float);
  if (absl::string_view(expected).substr(sizeof(length)) != text ||
      file.size() != bytes) {
    return absl::DataLossError(absl::StrCat(
        path, " must hold master, m and v of ", elements, " elements (", bytes,
        " bytes in all), has ", file.size(), " bytes"));
  }
  return OptimizerSource{path, std::move(file), *range, expected.size()};
}

// Reads the elements that both `source` and `saved` hold.
absl::Status ReadOverlap(OptimizerSource& source, SavedState* saved) {
  const comm::Shard wanted = saved->shard();
  const comm::Shard& held = source.range.shard;
  const size_t begin = std::max(wanted.begin, held.begin);
  const size_t end = std::min(wanted.end, held.end);
  if (begin >= end) return absl::OkStatus();
  const auto offset_of = [&](size_t moment, size_t element) {
    return source.data +
           (moment * held.size() + element - held.begin) * sizeof(float);
  };
  std::vector<float>* const moments[] = {nullptr, &saved->m, &saved->v};
  for (const size_t moment : {1, 2}) {
    AHA_RETURN_IF_ERROR(
        source.file.ReadAt(offset_of(moment, begin),
                           moments[moment]->data() + (begin - wanted.begin),
                           (end - begin) * sizeof(float)));
  }
  // The master last: it puts its signs on v.
  std::vector<float> piece;
  for (size_t at = begin; at < end; at += kPiece) {
    piece.resize(std::min(kPiece, end - at));
    AHA_RETURN_IF_ERROR(source.file.ReadAt(offset_of(0, at), piece.data(),
                                           piece.size() * sizeof(float)));
    AHA_RETURN_IF_ERROR(saved->TakeMaster(static_cast<int64_t>(at), piece));
  }
  return absl::OkStatus();
}

// REQUIRES: saved->weights and saved->sharding.
absl::Status ReadOptimizer(const std::string& directory,
                           const Manifest& manifest, SavedState* saved) {
  const size_t count = static_cast<size_t>(saved->weights->layout().count());
  std::vector<OptimizerSource> sources;
  for (const ManifestPart& part : manifest.parts) {
    if (!absl::StartsWith(part.path, kOptimizerPrefix)) continue;
    AHA_ASSIGN_OR_RETURN(
        OptimizerSource source,
        OpenOptimizer(absl::StrCat(directory, "/", part.path), count));
    sources.push_back(std::move(source));
  }
  // Files are sorted by name, hence by rank.
  size_t held = 0;
  for (const OptimizerSource& source : sources) {
    if (source.range.shard.begin != held) break;
    held = source.range.shard.end;
  }
  if (held != count) {
    return absl::DataLossError(absl::StrCat(
        directory, " must hold ", count,
        " elements of the optimizer's state in order, has those up to ", held,
        " in ", sources.size(), " files"));
  }
  const size_t mine = saved->shard().size();
  saved->m.resize(mine);
  saved->v.resize(mine);
  if (saved->weights->dtype() == DType::kBf16) saved->low.resize(mine);
  for (OptimizerSource& source : sources) {
    AHA_RETURN_IF_ERROR(ReadOverlap(source, saved));
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
  files.emplace_back("config.json", ConfigText(setup.config, setup.dtype));
  for (const auto& [name, content] : files) {
    const std::string path = absl::StrCat("model/", name);
    AHA_RETURN_IF_ERROR(
        ReplaceFile(absl::StrCat(directory, "/", path), content));
    manifest->parts.push_back(
        {path, content.size(), HashBytes(content.data(), content.size())});
  }
  return absl::OkStatus();
}

// Adds what rank 0 alone writes to the optimizer's parts in `manifest`, and
// completes the checkpoint.
absl::Status WriteRest(const std::string& directory, const ModelSetup& setup,
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
  if (PathExists(path)) AHA_RETURN_IF_ERROR(Rename(path, old));
  AHA_RETURN_IF_ERROR(Rename(partial, path));
  AHA_RETURN_IF_ERROR(SyncPath(fs::path(path).parent_path().string()));
  return RemoveAll(old);
}

// A rank 0 that was taken for lost may still be writing when the next one
// writes the same step, so each process has a partial directory of its own.
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

// What rank 0 says instead of a path (step 1 of the header).
constexpr char kIsComplete[] = "complete";

// Step 1 on rank 0: kIsComplete, or the partial directory to write to, relative
// to the run directory.  Errors are left to step 2, which meets them again.
std::string PlanWrite(const std::string& run_directory,
                      const std::string& relative, const Manifest& manifest) {
  const std::string path = absl::StrCat(run_directory, "/", relative);
  const absl::StatusOr<Manifest> found = ReadManifest(path);
  if (found.ok() && SamePosition(*found, manifest) &&
      VerifyParts(path, *found).ok()) {
    return kIsComplete;
  }
  const fs::path of(relative);
  std::string partial =
      absl::StrCat(of.parent_path().string(), "/", kPartialPrefix,
                   of.filename().string(), "-", ProcessName());
  const std::string absolute = absl::StrCat(run_directory, "/", partial);
  RemoveAll(absolute).IgnoreError();
  MakeDirectories(absolute).IgnoreError();
  return partial;
}

// A rank's answer in step 3: code, then size and checksum or the error.
std::string AnswerOf(const absl::StatusOr<ManifestPart>& part) {
  std::string bytes;
  AppendBytes(&bytes, static_cast<int32_t>(part.status().code()));
  if (!part.ok()) return absl::StrCat(bytes, part.status().message());
  AppendBytes(&bytes, part->bytes);
  return absl::StrCat(bytes, part->checksum.ToBytes());
}

absl::StatusOr<ManifestPart> PartOf(absl::string_view answer,
                                    const Sharding& sharding) {
  int32_t code = 0;
  ManifestPart part{
      .path = OptimizerFile(sharding), .bytes = 0, .checksum = {}};
  if (!TakeBytes(&answer, &code)) {
    return absl::InternalError(
        absl::StrCat("rank ", sharding.rank, ": the answer is too short"));
  }
  if (code != 0) {
    return absl::Status(static_cast<absl::StatusCode>(code),
                        absl::StrCat("rank ", sharding.rank, ": ", answer));
  }
  if (!TakeBytes(&answer, &part.bytes)) {
    return absl::InternalError(
        absl::StrCat("rank ", sharding.rank, ": the answer is too short"));
  }
  AHA_ASSIGN_OR_RETURN(part.checksum, Hash128::FromBytes(answer));
  return part;
}

// Steps 2 and 3: this rank's shard is written; on rank 0, `parts` gets those of
// all ranks.
absl::Status WriteShards(const std::string& partial, const ModelState& state,
                         std::vector<ManifestPart>* parts,
                         comm::Communicator& comm) {
  const absl::StatusOr<ManifestPart> mine = WriteOptimizer(partial, state);
  AHA_ASSIGN_OR_RETURN(const std::vector<std::string> answers,
                       comm.GatherBytes("checkpoint parts", 0, AnswerOf(mine)));
  AHA_RETURN_IF_ERROR(mine.status());
  for (int rank = 0; rank < static_cast<int>(answers.size()); ++rank) {
    AHA_ASSIGN_OR_RETURN(parts->emplace_back(),
                         PartOf(answers[static_cast<size_t>(rank)],
                                {.rank = rank, .ranks = comm.size()}));
  }
  return absl::OkStatus();
}

std::string JobText(const v1::Job& job) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(job, &text);
  return text;
}

// The manifest without its parts.
Manifest NewManifest(const CheckpointParts& of, int world_size) {
  const auto& [job, setup, state, position] = of;
  return {.job = job.name(),
          .job_fingerprint = ResultFingerprint(job),
          .stage = position.stage,
          .stage_name = job.stages(static_cast<int>(position.stage)).name(),
          .next_step = position.next_step,
          .stage_done = position.stage_done,
          .world_size = static_cast<uint32_t>(world_size),
          .dtype = std::string(NameOf(state.dtype())),
          .weights_checksum = position.weights_checksum,
          .chain = position.chain,
          .previous_checksum = {},
          .num_tokens = position.num_tokens,
          .job_text = JobText(job),
          .parts = {}};
}

}  // namespace

std::string StepNameOf(const v1::Job& job, uint32_t stage, uint64_t step) {
  const int index = static_cast<int>(stage);
  const bool is_the_only_one =
      StepsConsumeGroups(job.stages(index)) &&
      std::count_if(job.stages().begin(), job.stages().end(),
                    StepsConsumeGroups) == 1;
  return run::StepName(
      {.stage = is_the_only_one ? "" : job.stages(index).name(), .step = step});
}

std::string CheckpointPath(const v1::Job& job,
                           const TrainingPosition& position) {
  return absl::StrCat(run::kCheckpointsFolder, "/",
                      StepNameOf(job, position.stage, position.next_step));
}

absl::StatusOr<std::string> WriteCheckpoint(const std::string& run_directory,
                                            const CheckpointParts& of,
                                            comm::Communicator& comm) {
  std::string relative = CheckpointPath(of.job, of.position);
  const std::string path = absl::StrCat(run_directory, "/", relative);
  Manifest manifest = NewManifest(of, comm.size());
  std::string plan;
  if (comm.rank() == 0) plan = PlanWrite(run_directory, relative, manifest);
  AHA_ASSIGN_OR_RETURN(plan, comm.Broadcast("checkpoint", 0, plan));
  if (plan == kIsComplete) return relative;
  const std::string partial = absl::StrCat(run_directory, "/", plan);
  absl::Status written = WriteShards(partial, of.state, &manifest.parts, comm);
  if (comm.rank() == 0) {
    if (written.ok()) {
      written = WriteRest(partial, of.setup, of.state, &manifest);
    }
    if (written.ok()) written = Install(partial, path);
    if (!written.ok()) RemoveAll(partial).IgnoreError();
  }
  AHA_RETURN_IF_ERROR(written);
  return relative;
}

absl::StatusOr<LoadedCheckpoint> LoadCheckpoint(const std::string& directory,
                                                const v1::Job& job,
                                                const ModelSetup& setup,
                                                const Sharding& sharding) {
  LoadedCheckpoint loaded;
  loaded.state.sharding = sharding;
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
  AHA_RETURN_IF_ERROR(ReadOptimizer(directory, manifest, &loaded.state));
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
                                  const TrainingPosition& position) {
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
    if (!manifest.ok()) continue;  // No checkpoint of this code's.
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
    // The manifest goes first: a half-removed directory is not a checkpoint.
    ::unlink(absl::StrCat(complete[i].path, "/", kManifestFile).c_str());
    AHA_RETURN_IF_ERROR(RemoveAll(complete[i].path));
  }
  return absl::OkStatus();
}

}  // namespace aha::learner
