// Fuzzes a model's config.json.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = aha::ModelConfig::Parse(text);
  if (!config.ok()) return 0;
  // A config that was accepted must be the same after it is written and read
  // again.
  const auto again = aha::ModelConfig::Parse(config->ToJson());
  if (!again.ok() || again->ToJson() != config->ToJson()) std::abort();
  return 0;
}
