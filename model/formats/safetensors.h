// The safetensors container: 8 bytes of header length (little-endian), a JSON
// header {name: {dtype, shape, data_offsets}}, then the tensors' bytes.
//
// Internal to model/.  Pure functions; a header from outside is never trusted.
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
  std::string dtype;  // "F32", "BF16", ...: one of the format's.
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // In bytes, from the end of the header.
  uint64_t end = 0;
};

// The tensors of a header (the JSON alone) in the order of their bytes.  The
// tensors must cover [0, data_bytes) without holes or overlaps, each with as
// many bytes as its shape and dtype say.  Errors name tensor, rule and value.
absl::StatusOr<std::vector<StoredTensor>> ParseSafetensorsHeader(
    absl::string_view json, uint64_t data_bytes);

// Checks the header's length, given as the file's first 8 bytes.
absl::StatusOr<uint64_t> SafetensorsHeaderLength(const uint8_t bytes[8],
                                                 uint64_t file_bytes);

}  // namespace aha
