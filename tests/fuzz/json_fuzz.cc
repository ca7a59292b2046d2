// config.json, manifest.json and JSON Lines of prompts and documents: JSON
// from outside.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "data/jsonl.h"
#include "job/manifest.h"
#include "model/config.h"

namespace {

void FuzzConfig(absl::string_view text) {
  const auto config = aha::ModelConfig::Parse(text);
  if (!config.ok()) return;
  // What was accepted is written so that it is read back as the same.
  const auto again = aha::ModelConfig::Parse(config->ToJson());
  if (!again.ok() || again->ToJson() != config->ToJson()) std::abort();
}

}  // namespace

// The first byte picks the parser, so that one corpus serves all four.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  switch (data[0] % 4) {
    case 0:
      FuzzConfig(text);
      break;
    case 1:
      (void)aha::ParseManifest(text, "manifest.json");
      break;
    case 2:
      (void)aha::ParsePrompts("prompts.jsonl", text);
      break;
    default:
      (void)aha::ParseDocuments("documents.jsonl", text);
  }
  return 0;
}
