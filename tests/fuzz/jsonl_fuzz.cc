// Fuzzes JSON Lines and arrays of JSON objects, as prompts and as training
// documents.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "data/prompt_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  (void)aha::ParsePrompts("prompts.jsonl", text, {});
  const aha::PromptFileOptions options = {
      .paths = {}, .mapping = {}, .skip_bad_rows = true};
  (void)aha::ParsePrompts("prompts.json", text, options);
  (void)aha::ParseDocuments("documents.jsonl", text);
  return 0;
}
