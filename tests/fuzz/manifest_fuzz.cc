// Fuzzes a checkpoint's manifest.json.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "run/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  (void)aha::ParseManifest(text, "manifest.json");
  return 0;
}
