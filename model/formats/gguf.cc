// Implements the access to values and tensors of model/formats/gguf.h;
// gguf_parse.cc reads the head of the file and gguf_dequantize.cc the numbers.
#include "model/formats/gguf.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/ceil_div.h"
#include "base/status.h"

namespace aha {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view rule,
                     absl::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, " must be ", rule, ", got ", value));
}

template <class T>
const char* KindName() {
  if constexpr (std::is_same_v<T, int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, bool>) return "a bool";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return "an array of strings";
  }
  return "an array of integers";
}

const char* KindOf(const GgufValue& value) {
  constexpr const char* kNames[] = {"an integer",
                                    "a number",
                                    "a bool",
                                    "a string",
                                    "an array of integers",
                                    "an array of numbers",
                                    "an array of strings"};
  return kNames[value.index()];
}

template <class T>
absl::StatusOr<const T*> Get(const GgufFile& file, absl::string_view key) {
  const GgufValue* value = file.Find(key);
  if (value == nullptr) {
    return absl::NotFoundError(absl::StrCat(key, " is missing"));
  }
  if (const T* typed = std::get_if<T>(value)) return typed;
  return Invalid(key, KindName<T>(), KindOf(*value));
}

}  // namespace

uint64_t GgufFile::Source::size() const {
  const auto* file = std::get_if<FileReader>(&from_);
  return file != nullptr ? file->size()
                         : std::get<absl::string_view>(from_).size();
}

absl::Status GgufFile::Source::ReadAt(uint64_t offset, void* data,
                                      size_t size) const {
  const auto* file = std::get_if<FileReader>(&from_);
  if (file == nullptr) {
    const absl::string_view bytes = std::get<absl::string_view>(from_);
    std::memcpy(data, bytes.data() + offset, size);
    return absl::OkStatus();
  }
  absl::Status read = file->ReadAt(offset, data, size);
  // DATA_LOSS means that the file has become shorter since Open.
  if (!absl::IsDataLoss(read)) return read;
  return absl::DataLossError(
      absl::StrCat("must keep its ", file->size(),
                   " bytes while it is read, but has lost byte ", offset + size,
                   ": import it again when it is whole"));
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Open(
    const std::string& path) {
  AHA_ASSIGN_OR_RETURN(FileReader reader, FileReader::Open(path));
  if (reader.size() == 0) return Invalid(path, "a GGUF file", "0 bytes");
  absl::StatusOr<std::unique_ptr<GgufFile>> file =
      Parse(Source(std::move(reader)));
  if (!file.ok()) {
    return absl::Status(file.status().code(),
                        absl::StrCat(path, ": ", file.status().message()));
  }
  return file;
}

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::Parse(
    absl::string_view bytes) {
  return Parse(Source(bytes));
}

absl::Status GgufFile::Read(const GgufTensor& tensor, int64_t begin,
                            absl::Span<float> out) const {
  // The range starts at a block (REQUIRES).
  const GgufBlock block = BlockOf(static_cast<uint32_t>(tensor.type));
  const int64_t count = static_cast<int64_t>(out.size());
  const int64_t blocks = CeilDiv(count, block.numbers);
  std::string bytes(static_cast<size_t>(blocks * block.bytes), '\0');
  AHA_RETURN_IF_ERROR(source_.ReadAt(
      tensor.offset +
          static_cast<uint64_t>(begin / block.numbers * block.bytes),
      bytes.data(), bytes.size()));
  Dequantize(tensor.type, bytes.data(), out);
  return absl::OkStatus();
}

const GgufValue* GgufFile::Find(absl::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

absl::StatusOr<int64_t> GgufFile::Integer(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const int64_t* value, Get<int64_t>(*this, key));
  return *value;
}

absl::StatusOr<double> GgufFile::Number(absl::string_view key) const {
  // Some writers store a whole number, such as a RoPE base, as an integer.
  const GgufValue* value = Find(key);
  if (value != nullptr && std::holds_alternative<double>(*value)) {
    return std::get<double>(*value);
  }
  AHA_ASSIGN_OR_RETURN(const int64_t integer, Integer(key));
  return static_cast<double>(integer);
}

absl::StatusOr<bool> GgufFile::Bool(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const bool* value, Get<bool>(*this, key));
  return *value;
}

absl::StatusOr<std::string> GgufFile::String(absl::string_view key) const {
  AHA_ASSIGN_OR_RETURN(const std::string* value, Get<std::string>(*this, key));
  return *value;
}

absl::StatusOr<const std::vector<std::string>*> GgufFile::Strings(
    absl::string_view key) const {
  return Get<std::vector<std::string>>(*this, key);
}

absl::StatusOr<const std::vector<int64_t>*> GgufFile::Integers(
    absl::string_view key) const {
  return Get<std::vector<int64_t>>(*this, key);
}

const GgufTensor* GgufFile::FindTensor(absl::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace aha
