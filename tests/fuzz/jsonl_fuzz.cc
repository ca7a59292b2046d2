// Fuzzes JSON Lines files of prompts and of training documents.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "data/jsonl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  (void)aha::ParsePrompts("prompts.jsonl", text);
  (void)aha::ParseDocuments("documents.jsonl", text);
  return 0;
}
