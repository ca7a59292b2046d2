#include "tools/aha_model/aha_model_common.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/json.h"
#include "base/status.h"
#include "device/choose_isa.h"
#include "nlohmann/json.hpp"

namespace aha::cli {
namespace {

constexpr char kUsagePayload[] = "aha/usage";
// Two million token ids and their log-probabilities.
constexpr size_t kMaxLineBytes = 64 << 20;

// The next line without its newline.  It reads at most a chunk more than
// kMaxLineBytes, so that a file without newlines does not fill the memory.
bool NextLine(std::istream& in, std::string* line) {
  constexpr size_t kChunk = 1 << 16;
  line->clear();
  char chunk[kChunk];
  while (line->size() <= kMaxLineBytes) {
    in.getline(chunk, kChunk);
    const size_t got = static_cast<size_t>(in.gcount());
    const bool full = in.fail() && got == kChunk - 1;
    // The newline is counted, but not stored.
    line->append(chunk, got - (in.good() ? 1 : 0));
    if (!full) return in.good() || got > 0 || !line->empty();
    in.clear(in.rdstate() & ~std::ios::failbit);
  }
  return true;
}

absl::StatusOr<Json> ParseObject(const std::string& line) {
  if (line.size() > kMaxLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("must have at most ", kMaxLineBytes, " bytes, got more"));
  }
  absl::StatusOr<Json> object = aha::ParseJson<Json>(line);
  if (!object.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a JSON object: ", object.status().message()));
  }
  if (!object->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be a JSON object, got ", Show(*object)));
  }
  return object;
}

absl::StatusOr<const Json*> Array(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) {
    return absl::InvalidArgumentError(absl::StrCat(key, " is missing"));
  }
  if (!found->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " must be an array, got ", Show(*found)));
  }
  return &*found;
}

}  // namespace

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

absl::StatusOr<DType> ParseDType(const std::string& text, DType absent) {
  if (text.empty()) return absent;
  if (text == "bf16") return DType::kBf16;
  if (text == "fp32") return DType::kF32;
  return UsageError(absl::StrCat("--dtype must be bf16 or fp32, got ", text));
}

absl::StatusOr<DType> ComputeDType(const ModelOptions& options) {
  const absl::Status isa = ops::ChooseIsa(std::getenv("AHA_CPU_ISA")).status();
  if (absl::IsInvalidArgument(isa)) return UsageError(isa.message());
  AHA_RETURN_IF_ERROR(isa);
  return ParseDType(options.dtype, NativeDType());
}

absl::Status CheckModelDirectory(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::is_directory(directory, error)) return absl::OkStatus();
  if (std::filesystem::exists(directory, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory,
                     ": must be a model directory (config.json, "
                     "model.safetensors, tokenizer.json); make one of a file "
                     "with `aha-model import`"));
  }
  return absl::NotFoundError(
      absl::StrCat(directory, ": no such model directory"));
}

int ThreadsOf(const ModelOptions& options) {
  if (options.threads > 0) return options.threads;
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

absl::StatusOr<ModelConfig> LoadConfig(const std::string& directory,
                                       const Tokenizer& tokenizer) {
  AHA_ASSIGN_OR_RETURN(ModelConfig config, ModelConfig::Load(directory));
  if (const auto end = tokenizer.turn_end()) config.AddEndToken(*end);
  return config;
}

absl::StatusOr<LoadedModel> LoadModel(const ModelOptions& options,
                                      PolicyUse use,
                                      const Tokenizer* tokenizer) {
  AHA_RETURN_IF_ERROR(CheckModelDirectory(options.directory));
  AHA_ASSIGN_OR_RETURN(const DType dtype, ComputeDType(options));
  AHA_ASSIGN_OR_RETURN(const ModelConfig config,
                       tokenizer == nullptr
                           ? ModelConfig::Load(options.directory)
                           : LoadConfig(options.directory, *tokenizer));
  AHA_ASSIGN_OR_RETURN(const Parameters parameters,
                       ReadSafetensors(options.directory, config, dtype));
  LoadedModel model;
  model.pool = std::make_unique<ThreadPool>(ThreadsOf(options));
  AHA_ASSIGN_OR_RETURN(
      model.policy,
      Policy::Create(config, dtype, ops::CpuContext{model.pool.get()}, use));
  AHA_RETURN_IF_ERROR(model.policy->Load(parameters));
  return model;
}

absl::Status ForEachLine(
    const std::string& path,
    const std::function<absl::Status(const Json& object)>& use) {
  std::ifstream file;
  if (path != "-") {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " must be a file, is a directory"));
    }
    file.open(path, std::ios::binary);
    if (!file) return absl::ErrnoToStatus(errno, path + ": cannot be read");
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string line;
  int64_t number = 0;
  bool any = false;
  while (NextLine(in, &line)) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    any = true;
    absl::StatusOr<Json> object = ParseObject(line);
    const absl::Status status = object.ok() ? use(*object) : object.status();
    if (!status.ok()) {
      return Annotate(absl::StrCat(path, ": line ", number), status);
    }
  }
  if (!any) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": must have a line with a JSON object, got none"));
  }
  return absl::OkStatus();
}

std::string Show(const Json& value) {
  if (value.is_array()) return absl::StrCat("an array of ", value.size());
  if (value.is_object()) return absl::StrCat("an object of ", value.size());
  const std::string text =
      value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > 60 ? absl::StrCat(text.substr(0, 57), "...") : text;
}

absl::StatusOr<std::vector<int32_t>> TokenIds(const Json& object,
                                              const char* key,
                                              int64_t vocab_size) {
  AHA_ASSIGN_OR_RETURN(const Json* array, Array(object, key));
  std::vector<int32_t> ids;
  ids.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i) {
    const Json& value = (*array)[i];
    // A double holds every id exactly, and no integer overflows it.
    const double id = value.is_number_integer() ? value.get<double>() : -1;
    if (id < 0 || id >= static_cast<double>(vocab_size)) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, "[", i, "] must be a token id below ", vocab_size,
                       ", got ", Show(value)));
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

absl::StatusOr<std::vector<float>> Floats(const Json& object, const char* key,
                                          size_t count) {
  AHA_ASSIGN_OR_RETURN(const Json* array, Array(object, key));
  if (array->size() != count) {
    return absl::InvalidArgumentError(absl::StrCat(
        key, " must have ", count, " numbers, got ", array->size()));
  }
  std::vector<float> floats;
  floats.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (!(*array)[i].is_number()) {
      return absl::InvalidArgumentError(absl::StrCat(
          key, "[", i, "] must be a number, got ", Show((*array)[i])));
    }
    floats.push_back((*array)[i].get<float>());
  }
  return floats;
}

void PrintLine(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void PrintJsonLine(const Json& json) {
  PrintLine(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace aha::cli
