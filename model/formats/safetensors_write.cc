#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file_io.h"
#include "model/parameters.h"

namespace aha {
std::string SafetensorsHeader(const Parameters& parameters) {
  const int64_t size = static_cast<int64_t>(SizeOf(parameters.dtype()));
  std::string json = R"({"__metadata__":{"format":"pt"})";
  for (const TensorInfo& tensor : parameters.layout().tensors()) {
    // The names are our own and need no escaping.
    absl::StrAppend(&json, ",\"", tensor.name, "\":{\"dtype\":\"",
                    NameOf(parameters.dtype()), "\",\"shape\":[",
                    absl::StrJoin(tensor.shape, ","), "],\"data_offsets\":[",
                    tensor.offset * size, ",",
                    (tensor.offset + tensor.count) * size, "]}");
  }
  json += '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');  // This aligns the data.
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<char>(json.size() >> (8 * i));
  }
  return length + json;
}

Hash128 WeightsChecksum(const Parameters& parameters) {
  const std::string header = SafetensorsHeader(parameters);
  Hasher hasher;
  hasher.Raw(header.data(), header.size());
  hasher.Raw(parameters.data(), static_cast<size_t>(parameters.bytes()));
  return hasher.Finish();
}

std::optional<Parameters> BorrowSafetensors(
    absl::string_view file, std::shared_ptr<const ParameterLayout> layout,
    DType dtype) {
  const std::string header =
      SafetensorsHeader(Parameters::Borrow(layout, dtype, nullptr));
  const uint64_t bytes = static_cast<uint64_t>(layout->count()) * SizeOf(dtype);
  if (file.size() != header.size() + bytes || !absl::StartsWith(file, header)) {
    return std::nullopt;
  }
  return Parameters::Borrow(std::move(layout), dtype,
                            file.data() + header.size());
}

absl::Status WriteSafetensors(const Parameters& parameters,
                              const std::string& path) {
  const std::string header = SafetensorsHeader(parameters);
  const absl::string_view pieces[] = {
      header,
      {static_cast<const char*>(parameters.data()),
       static_cast<size_t>(parameters.bytes())}};
  return WriteFileDurably(path, pieces);
}

}  // namespace aha
