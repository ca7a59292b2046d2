// Fuzzes tables of comma-separated values.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "data/prompt_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const aha::PromptFileOptions options = {
      .paths = {}, .mapping = {}, .skip_bad_rows = true};
  (void)aha::ParsePrompts("prompts.csv", text, options);
  (void)aha::ParseDocuments("documents.csv", text);
  return 0;
}
