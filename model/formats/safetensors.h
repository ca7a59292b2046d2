// The safetensors container: 8 bytes of header length (little-endian), a JSON
// header {name: {dtype, shape, data_offsets}}, and the tensors' bytes.
//
// Internal to model/. Pure functions. A header comes from outside and is not
// trusted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha {

constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // The format's limit.

struct StoredTensor {
  std::string name;
  std::string dtype;  // One of the format's names: "F32", "BF16", ...
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // In bytes, counted from the end of the header.
  uint64_t end = 0;
};

// Returns the tensors of a header (only the JSON) in the order of their bytes.
// The tensors must cover [0, data_bytes) without holes or overlaps, each with
// as many bytes as its shape and dtype require. Errors name the tensor, the
// rule and the value.
absl::StatusOr<std::vector<StoredTensor>> ParseSafetensorsHeader(
    absl::string_view json, uint64_t data_bytes);

// Returns the header's length, which is in the file's first 8 bytes, after
// checking it.
absl::StatusOr<uint64_t> SafetensorsHeaderLength(const uint8_t bytes[8],
                                                 uint64_t file_bytes);

}  // namespace aha
