// Implements model/formats/import.h. ReadModel converts each source format to
// ModelFiles; WriteModel writes them into a staging directory beside the target
// and renames it.
#include "model/formats/import.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "text/tokenizer.h"
#include "text/tokenizer_bytes.h"

namespace aha {
namespace {

namespace fs = std::filesystem;

// The largest known tokenizer.json has 33 MB.
constexpr uint64_t kMaxTextBytes = 256 << 20;

absl::Status InFile(const absl::Status& status, const std::string& path) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

absl::Status FromError(std::error_code error, const std::string& path) {
  return FileError("cannot write", path, error.value());
}

absl::Status WriteText(const std::string& text, const fs::path& path) {
  if (text.empty()) return absl::OkStatus();
  return ReplaceFile(path.string(), text);
}

std::string GenerationConfig(const ModelConfig& config) {
  nlohmann::ordered_json json;
  if (config.bos_token_id >= 0) json["bos_token_id"] = config.bos_token_id;
  if (config.eos_token_ids.size() == 1) {
    json["eos_token_id"] = config.eos_token_ids[0];
  } else if (!config.eos_token_ids.empty()) {
    json["eos_token_id"] = config.eos_token_ids;
  }
  return json.is_null() ? "" : json.dump(2) + "\n";
}

// If a key is missing from a file that exists, the file is malformed.
absl::Status InGguf(const absl::Status& status, const std::string& path) {
  if (!absl::IsNotFound(status)) return InFile(status, path);
  return InFile(absl::InvalidArgumentError(status.message()), path);
}

absl::StatusOr<ModelFiles> ReadGguf(const std::string& path, DType dtype) {
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> file,
                       GgufFile::Open(path));
  absl::StatusOr<ModelConfig> config = ConfigOfGguf(*file);
  AHA_RETURN_IF_ERROR(InGguf(config.status(), path));
  absl::StatusOr<GgufTokenizerFiles> text = TokenizerOfGguf(*file);
  AHA_RETURN_IF_ERROR(InGguf(text.status(), path));
  const absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
      Tokenizer::Parse(text->tokenizer_json, text->tokenizer_config_json);
  AHA_RETURN_IF_ERROR(InFile(tokenizer.status(), path));
  absl::StatusOr<Parameters> parameters =
      ParametersOfGguf(*file, *config, dtype);
  AHA_RETURN_IF_ERROR(InFile(parameters.status(), path));
  return ModelFiles{*config,
                    *std::move(parameters),
                    std::move(text->tokenizer_json),
                    std::move(text->tokenizer_config_json),
                    "",
                    GenerationConfig(*config)};
}

// Checks what the GGUF reader checks too: a model with such a weight computes
// nothing but NaN.
absl::Status CheckFinite(const Parameters& parameters) {
  for (const TensorInfo& info : parameters.layout().tensors()) {
    for (int64_t i = 0; i < info.count; ++i) {
      const float value =
          LoadElement(parameters.data(), info.offset + i, parameters.dtype());
      if (std::isfinite(value)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", info.name, " must be finite, got ", value, " at ", i));
    }
  }
  return absl::OkStatus();
}

// `weights` is a .safetensors file or the directory itself.
absl::StatusOr<ModelFiles> ReadHuggingFace(const fs::path& directory,
                                           const fs::path& weights,
                                           DType dtype) {
  AHA_ASSIGN_OR_RETURN(const ModelConfig config,
                       ModelConfig::Load(directory.string()));
  AHA_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                       Tokenizer::Load(directory.string()));
  if (tokenizer->vocab_size() > config.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory.string(),
        ": config.json: vocab_size must cover tokenizer.json's ",
        tokenizer->vocab_size(), " tokens, got ", config.vocab_size));
  }
  const auto read = [&](const char* name) {
    return ReadFileIfThere((directory / name).string(), kMaxTextBytes);
  };
  AHA_ASSIGN_OR_RETURN(std::string tokenizer_json, read("tokenizer.json"));
  AHA_ASSIGN_OR_RETURN(std::string tokenizer_config,
                       read("tokenizer_config.json"));
  AHA_ASSIGN_OR_RETURN(std::string jinja, read("chat_template.jinja"));
  AHA_ASSIGN_OR_RETURN(std::string generation, read("generation_config.json"));
  AHA_ASSIGN_OR_RETURN(Parameters parameters,
                       ReadSafetensors(weights.string(), config, dtype));
  AHA_RETURN_IF_ERROR(InFile(CheckFinite(parameters), weights.string()));
  return ModelFiles{config,
                    std::move(parameters),
                    std::move(tokenizer_json),
                    std::move(tokenizer_config),
                    std::move(jinja),
                    std::move(generation)};
}

// Returns "a/b" for "./a/b/".
fs::path Target(const std::string& directory) {
  const fs::path target = fs::path(directory).lexically_normal();
  return target.has_filename() ? target : target.parent_path();
}

// The names of staging directories: a process writes a model into one before it
// gets its final name.
std::string StagingPrefix(const fs::path& target) {
  return absl::StrCat(target.string(), ".partial-");
}
std::string OwnStaging(const fs::path& target) {
  return absl::StrCat(StagingPrefix(target), ::getpid());
}

// Holds a lock that marks a staging directory as in use. A lock works across
// machines that share the file system; a process id would be meaningful on one
// machine only.
class StagingLock {
 public:
  explicit StagingLock(const fs::path& staging)
      : fd_(::open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        held_(fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0) {}
  ~StagingLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  StagingLock(const StagingLock&) = delete;
  StagingLock& operator=(const StagingLock&) = delete;

  bool held() const { return held_; }

 private:
  const int fd_;
  const bool held_;
};

// Removes staging directories of this target whose processes were killed.
void RemoveStale(const fs::path& target) {
  const std::string prefix = StagingPrefix(target.filename());
  std::error_code error;
  const fs::path beside =
      target.has_parent_path() ? target.parent_path() : fs::path(".");
  std::vector<fs::path> stale;
  for (fs::directory_iterator it(beside, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    int64_t process = 0;
    if (absl::StartsWith(name, prefix) &&
        absl::SimpleAtoi(name.substr(prefix.size()), &process)) {
      stale.push_back(it->path());
    }
  }
  for (const fs::path& path : stale) {
    const StagingLock lock(path);
    if (lock.held()) fs::remove_all(path, error);
  }
}

absl::Status WriteFiles(const ModelFiles& files, const fs::path& directory) {
  AHA_RETURN_IF_ERROR(
      WriteText(ConfigText(files.config, files.parameters.dtype()),
                directory / "config.json"));
  AHA_RETURN_IF_ERROR(
      WriteText(files.tokenizer_json, directory / "tokenizer.json"));
  AHA_RETURN_IF_ERROR(WriteText(files.tokenizer_config_json,
                                directory / "tokenizer_config.json"));
  AHA_RETURN_IF_ERROR(
      WriteText(files.chat_template_jinja, directory / "chat_template.jinja"));
  AHA_RETURN_IF_ERROR(WriteText(files.generation_config_json,
                                directory / "generation_config.json"));
  return WriteSafetensors(files.parameters,
                          (directory / "model.safetensors").string());
}

}  // namespace

std::string ConfigText(const ModelConfig& config, DType dtype) {
  auto json = nlohmann::ordered_json::parse(config.ToJson());
  json["torch_dtype"] = dtype == DType::kBf16 ? "bfloat16" : "float32";
  return json.dump(2) + "\n";
}

absl::StatusOr<ModelFiles> ReadModel(const std::string& source, DType dtype) {
  std::error_code error;
  const fs::path path(source);
  if (!fs::exists(path, error)) {
    return absl::NotFoundError(
        absl::StrCat(source, ": no such file or directory"));
  }
  if (fs::is_directory(path, error)) {
    return ReadHuggingFace(path, path, dtype);
  }
  if (absl::EndsWith(source, ".gguf")) return ReadGguf(source, dtype);
  if (absl::EndsWith(source, ".safetensors")) {
    return ReadHuggingFace(path.has_parent_path() ? path.parent_path() : ".",
                           path, dtype);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("source must be a .gguf or .safetensors file or a model "
                   "directory, got ",
                   Quote(source, 200)));
}

absl::Status WriteModel(const ModelFiles& files, const std::string& directory) {
  std::error_code error;
  const fs::path target = Target(directory);
  if (fs::exists(target, error) &&
      (!fs::is_directory(target, error) || !fs::is_empty(target, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(directory,
                     ": already exists and is not an empty "
                     "directory; remove it or choose another"));
  }
  RemoveStale(target);
  // The staging directory is beside the target, so that the rename stays on one
  // file system.
  const fs::path staging = OwnStaging(target);
  fs::create_directories(staging, error);
  if (error) return FromError(error, staging.string());
  const StagingLock lock(staging);
  absl::Status status = WriteFiles(files, staging);
  if (status.ok()) {
    fs::rename(staging, target, error);
    if (error) {
      status = FromError(error, directory);
    }
  }
  if (!status.ok()) fs::remove_all(staging, error);
  return status;
}

void AbandonModel(const std::string& directory) {
  const fs::path staging = OwnStaging(Target(directory));
  std::error_code error;
  // A file that another thread creates meanwhile keeps the directory in place;
  // a further attempt removes it.
  for (int tries = 0; tries < 100 && fs::exists(staging, error); ++tries) {
    fs::remove_all(staging, error);
  }
}

}  // namespace aha
