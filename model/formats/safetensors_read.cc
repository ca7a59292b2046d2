// Reads models from safetensors files (ReadSafetensors and CheckSafetensors of
// model/parameters.h). All headers are checked before any memory is allocated
// for weights.
#include <algorithm>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "model/families/family.h"
#include "model/formats/safetensors.h"
#include "model/parameters.h"
#include "nlohmann/json.hpp"

namespace aha {
namespace {

constexpr int64_t kChunkBytes = 4 << 20;
constexpr int64_t kMaxIndexBytes = 64 << 20;

// An open .safetensors file whose header has been checked.
class StoredFile {
 public:
  static absl::StatusOr<StoredFile> Open(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // Reads [begin, begin + size) of the data.
  absl::Status Read(uint64_t begin, void* out, size_t size) const {
    return file_.ReadAt(data_at_ + begin, out, size);
  }

 private:
  explicit StoredFile(FileReader file) : file_(std::move(file)) {}
  absl::Status ReadHeader();

  FileReader file_;
  uint64_t data_at_ = 0;
  std::vector<StoredTensor> tensors_;
};

absl::StatusOr<StoredFile> StoredFile::Open(const std::string& path) {
  AHA_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(path));
  StoredFile file(std::move(reader));
  AHA_RETURN_IF_ERROR(Annotate(path, file.ReadHeader()));
  return file;
}

absl::Status StoredFile::ReadHeader() {
  if (file_.size() < 8) {
    return absl::InvalidArgumentError(
        absl::StrCat("must have at least 8 bytes, found ", file_.size()));
  }
  uint8_t bytes[8];
  AHA_RETURN_IF_ERROR(file_.Read(bytes, sizeof(bytes)));
  AHA_ASSIGN_OR_RETURN(const uint64_t length,
                       SafetensorsHeaderLength(bytes, file_.size()));
  std::string json(length, '\0');
  AHA_RETURN_IF_ERROR(file_.Read(json.data(), json.size()));
  data_at_ = 8 + length;
  AHA_ASSIGN_OR_RETURN(tensors_,
                       ParseSafetensorsHeader(json, file_.size() - data_at_));
  return absl::OkStatus();
}

void Store(float value, float* out) { *out = value; }
void Store(float value, Bf16* out) { *out = ToBf16(value); }

template <class From, class To, class Convert>
void ConvertAll(const void* in, void* out, int64_t count, Convert convert) {
  const From* from = static_cast<const From*>(in);
  To* to = static_cast<To*>(out);
  for (int64_t i = 0; i < count; ++i) Store(convert(from[i]), &to[i]);
}

template <class To>
void ConvertFrom(absl::string_view dtype, const void* in, void* out,
                 int64_t count) {
  if (dtype == "F32") {
    ConvertAll<float, To>(in, out, count, [](float x) { return x; });
  } else if (dtype == "BF16") {
    ConvertAll<Bf16, To>(in, out, count, [](Bf16 x) { return ToFloat(x); });
  } else {
    ConvertAll<uint16_t, To>(in, out, count, HalfToFloat);
  }
}

// Reads one tensor and converts it to `dtype`.
absl::Status ReadTensor(const StoredFile& file, const StoredTensor& tensor,
                        DType dtype, void* out) {
  if (tensor.dtype == NameOf(dtype)) {
    return file.Read(tensor.begin, out, tensor.end - tensor.begin);
  }
  const uint64_t in_size = tensor.dtype == "F32" ? 4 : 2;
  const int64_t count =
      static_cast<int64_t>((tensor.end - tensor.begin) / in_size);
  const int64_t chunk = kChunkBytes / 4;
  std::vector<char> buffer(static_cast<size_t>(std::min(chunk, count)) *
                           in_size);
  for (int64_t at = 0; at < count; at += chunk) {
    const int64_t n = std::min(chunk, count - at);
    AHA_RETURN_IF_ERROR(
        file.Read(tensor.begin + static_cast<uint64_t>(at) * in_size,
                  buffer.data(), static_cast<size_t>(n) * in_size));
    char* to =
        static_cast<char*>(out) + at * static_cast<int64_t>(SizeOf(dtype));
    if (dtype == DType::kF32) {
      ConvertFrom<float>(tensor.dtype, buffer.data(), to, n);
    } else {
      ConvertFrom<Bf16>(tensor.dtype, buffer.data(), to, n);
    }
  }
  return absl::OkStatus();
}

// The file and the table entry of a tensor.
struct Location {
  const StoredFile* file;
  const StoredTensor* tensor;
};
using Locations = absl::flat_hash_map<std::string, Location>;

absl::Status TensorError(const Location& at, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(
      at.file->path(), ": tensor \"", at.tensor->name, "\": ", problem));
}

absl::Status CheckTensor(const Location& at, const TensorInfo& want) {
  const std::string& dtype = at.tensor->dtype;
  if (dtype != "F32" && dtype != "BF16" && dtype != "F16") {
    return TensorError(
        at, absl::StrCat("dtype must be F32, BF16 or F16, found ", dtype));
  }
  if (at.tensor->shape != want.shape) {
    return TensorError(
        at, absl::StrCat("shape must be [", absl::StrJoin(want.shape, ", "),
                         "] according to config.json, found [",
                         absl::StrJoin(at.tensor->shape, ", "), "]"));
  }
  return absl::OkStatus();
}

// Some exporters store the tied head a second time. It must have the same
// values.
absl::Status CheckTiedHead(const Location& head, const Parameters& parameters) {
  const TensorInfo& embedding = parameters.layout().embedding();
  AHA_RETURN_IF_ERROR(CheckTensor(head, embedding));
  std::vector<char> copy(static_cast<size_t>(embedding.count) *
                         SizeOf(parameters.dtype()));
  AHA_RETURN_IF_ERROR(
      ReadTensor(*head.file, *head.tensor, parameters.dtype(), copy.data()));
  if (std::memcmp(copy.data(), parameters.tensor(embedding), copy.size()) ==
      0) {
    return absl::OkStatus();
  }
  return TensorError(
      head, absl::StrCat("must equal ", embedding.name,
                         " because config.json sets tie_word_embeddings, found "
                         "other values"));
}

absl::Status CheckUnused(const Location& at, const ModelConfig& config,
                         const Parameters& parameters) {
  const std::string& name = at.tensor->name;
  const Family& family = FamilyOf(config);
  if (family.ignores(name)) return absl::OkStatus();
  if (name == family.head && config.tie_word_embeddings) {
    return CheckTiedHead(at, parameters);
  }
  return TensorError(at,
                     "must be a tensor of the model in config.json, but is "
                     "not");
}

// The open files of a model, and where its tensors are in them.
struct StoredModel {
  std::string path;  // The single file, or the directory with the shards.
  std::map<std::string, StoredFile> files;
  // They point into `files` and `parts`, whose elements stay in place when
  // those move.
  Locations locations;
  std::deque<StoredTensor> parts;  // Parts of tensors that hold several.
};

// The table of a model's tensors by name.
using TensorsByName = absl::flat_hash_map<absl::string_view, const TensorInfo*>;

TensorsByName ByName(const ParameterLayout& layout) {
  TensorsByName tensors;
  for (const TensorInfo& info : layout.tensors()) tensors[info.name] = &info;
  return tensors;
}

// Replaces a tensor by the parts that it holds.
absl::Status Unpack(const Location& whole, const PackedTensors& packed,
                    const TensorsByName& tensors, StoredModel* model) {
  AHA_RETURN_IF_ERROR(
      CheckTensor(whole, {.name = whole.tensor->name, .shape = packed.shape}));
  const StoredTensor& from = *whole.tensor;
  uint64_t count = 1;
  for (const int64_t extent : packed.shape) {
    count *= static_cast<uint64_t>(extent);
  }
  const uint64_t element = (from.end - from.begin) / count;
  uint64_t at = from.begin;
  for (const std::string& name : packed.names) {
    const TensorInfo& info = *tensors.at(name);
    const uint64_t end = at + static_cast<uint64_t>(info.count) * element;
    model->parts.push_back({.name = name,
                            .dtype = from.dtype,
                            .shape = info.shape,
                            .begin = at,
                            .end = end});
    at = end;
    const Location part = {whole.file, &model->parts.back()};
    if (!model->locations.emplace(name, part).second) {
      return TensorError(whole, absl::StrCat("must not be there beside ", name,
                                             ", which it holds, but is"));
    }
  }
  model->locations.erase(from.name);
  return absl::OkStatus();
}

absl::Status UnpackAll(const ModelConfig& config, const ParameterLayout& layout,
                       StoredModel* model) {
  const Family& family = FamilyOf(config);
  if (family.packed == nullptr) return absl::OkStatus();
  std::vector<std::pair<Location, PackedTensors>> all;
  for (const auto& [name, at] : model->locations) {
    if (auto packed = family.packed(config, name)) {
      all.emplace_back(at, *std::move(packed));
    }
  }
  if (all.empty()) return absl::OkStatus();
  const TensorsByName tensors = ByName(layout);
  for (const auto& [at, packed] : all) {
    AHA_RETURN_IF_ERROR(Unpack(at, packed, tensors, model));
  }
  return absl::OkStatus();
}

// Checks that each tensor of the model exists with the shape that config.json
// implies.
absl::Status CheckLayout(const StoredModel& model,
                         const ParameterLayout& layout) {
  for (const TensorInfo& want : layout.tensors()) {
    const auto it = model.locations.find(want.name);
    if (it == model.locations.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(model.path, ": tensor \"", want.name,
                       "\": is missing, although config.json implies it"));
    }
    AHA_RETURN_IF_ERROR(CheckTensor(it->second, want));
  }
  return absl::OkStatus();
}

absl::StatusOr<Parameters> Assemble(
    const StoredModel& model, const ModelConfig& config,
    const std::shared_ptr<const ParameterLayout>& layout, DType dtype) {
  const Locations& locations = model.locations;
  Parameters parameters(layout, dtype);
  const TensorsByName known = ByName(*layout);
  for (const TensorInfo& want : layout->tensors()) {
    const Location& at = locations.at(want.name);
    char* out = static_cast<char*>(parameters.data()) +
                want.offset * static_cast<int64_t>(SizeOf(dtype));
    AHA_RETURN_IF_ERROR(ReadTensor(*at.file, *at.tensor, dtype, out));
  }
  for (const auto& [name, at] : locations) {
    if (known.contains(name)) continue;
    AHA_RETURN_IF_ERROR(CheckUnused(at, config, parameters));
  }
  return parameters;
}

// Returns weight_map of model.safetensors.index.json: tensor name -> file name.
absl::StatusOr<std::map<std::string, std::string>> ReadWeightMap(
    const std::string& path) {
  AHA_ASSIGN_OR_RETURN(const std::string text,
                       ReadWholeFile(path, kMaxIndexBytes));
  const absl::StatusOr<nlohmann::json> parsed = ParseJson<nlohmann::json>(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", parsed.status().message()));
  }
  const nlohmann::json& json = *parsed;
  if (!json.is_object() || !json.contains("weight_map") ||
      !json["weight_map"].is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": must hold an object \"weight_map\""));
  }
  std::map<std::string, std::string> map;
  for (const auto& [name, file] : json["weight_map"].items()) {
    if (!file.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": weight_map must hold strings, found another type"));
    }
    const std::string file_name = file.get<std::string>();
    // The files must be beside the index; a name must not lead elsewhere.
    if (!absl::EndsWith(file_name, ".safetensors") ||
        absl::StrContains(file_name, '/') ||
        absl::StrContains(file_name, '\0')) {
      return absl::InvalidArgumentError(
          absl::StrCat(path,
                       ": weight_map must name .safetensors files in the same "
                       "directory, found \"",
                       file_name.substr(0, 100), "\""));
    }
    map[name] = file_name;
  }
  return map;
}

absl::Status OpenShards(const std::string& directory, const std::string& index,
                        StoredModel* model) {
  AHA_ASSIGN_OR_RETURN(const auto weight_map, ReadWeightMap(index));
  model->path = directory;
  for (const auto& [name, file] : weight_map) {
    if (model->files.contains(file)) continue;
    AHA_ASSIGN_OR_RETURN(StoredFile opened,
                         StoredFile::Open(absl::StrCat(directory, "/", file)));
    model->files.emplace(file, std::move(opened));
  }
  for (const auto& [file_name, file] : model->files) {
    for (const StoredTensor& tensor : file.tensors()) {
      const auto it = weight_map.find(tensor.name);
      if (it == weight_map.end() || it->second != file_name) {
        return TensorError({&file, &tensor},
                           "must be in the file that "
                           "model.safetensors.index.json names for it");
      }
      model->locations[tensor.name] = {&file, &tensor};
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<StoredModel> OpenModel(const std::string& path) {
  StoredModel model;
  model.path = path;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    model.path = absl::StrCat(path, "/model.safetensors");
    const std::string index = absl::StrCat(model.path, ".index.json");
    if (!std::filesystem::exists(model.path, error) &&
        std::filesystem::exists(index, error)) {
      AHA_RETURN_IF_ERROR(OpenShards(path, index, &model));
      return model;
    }
  }
  AHA_ASSIGN_OR_RETURN(StoredFile opened, StoredFile::Open(model.path));
  const StoredFile& file =
      model.files.emplace(model.path, std::move(opened)).first->second;
  for (const StoredTensor& tensor : file.tensors()) {
    model.locations[tensor.name] = {&file, &tensor};
  }
  return model;
}

}  // namespace

absl::Status CheckSafetensors(const std::string& path,
                              const ModelConfig& config) {
  AHA_RETURN_IF_ERROR(config.Validate());
  AHA_ASSIGN_OR_RETURN(StoredModel model, OpenModel(path));
  const ParameterLayout layout(config);
  AHA_RETURN_IF_ERROR(UnpackAll(config, layout, &model));
  return CheckLayout(model, layout);
}

absl::StatusOr<Parameters> ReadSafetensors(const std::string& path,
                                           const ModelConfig& config,
                                           DType dtype) {
  AHA_RETURN_IF_ERROR(config.Validate());
  AHA_ASSIGN_OR_RETURN(StoredModel model, OpenModel(path));
  // Everything is checked before memory is allocated for a size that only
  // config.json claims.
  const auto layout = std::make_shared<const ParameterLayout>(config);
  AHA_RETURN_IF_ERROR(UnpackAll(config, *layout, &model));
  AHA_RETURN_IF_ERROR(CheckLayout(model, *layout));
  return Assemble(model, config, layout, dtype);
}

}  // namespace aha
