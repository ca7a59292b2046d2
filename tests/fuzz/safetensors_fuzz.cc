// Fuzzes the header of a safetensors file.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "model/formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto length = aha::SafetensorsHeaderLength(data, size);
  // It is also parsed as if the length were right, so that mutation reaches the
  // JSON at once.
  const uint64_t header = length.ok() ? *length : size - 8;
  (void)aha::ParseSafetensorsHeader(text.substr(8, header), size - 8 - header);
  (void)aha::ParseSafetensorsHeader(text.substr(8), size * 16);
  return 0;
}
