// Fuzzes how a row becomes a prompt: the first line of the input is a path, the
// second a regular expression, and the rest is the row.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "base/json.h"
#include "data/prompt_mapping.h"
#include "nlohmann/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> parts =
      absl::StrSplit(text, absl::MaxSplits('\n', 2));
  if (parts.size() < 3) return 0;
  const auto row = aha::ParseJson<nlohmann::json>(parts[2]);
  if (!row.ok() || !row->is_object()) return 0;
  for (const bool by_name : {false, true}) {
    aha::PromptMapping mapping;
    if (!by_name) mapping.fields.prompt = mapping.fields.system = parts[0];
    mapping.fields.answer = parts[0];
    if (!by_name) mapping.extract.regex = parts[1];
    mapping.extract.boxed = by_name;
    const auto mapper = aha::PromptMapper::Create(mapping);
    if (mapper.ok()) (*mapper)->Map(*row, "line-1");
  }
  return 0;
}
