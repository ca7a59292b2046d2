// Fuzzes tokenizer.json and the encoding of text with it.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = aha::Tokenizer::Parse(json, "");
  if (!tokenizer.ok()) return 0;
  // The end of the input also serves as text, because any bytes must be
  // handled.
  for (const absl::string_view text :
       {absl::string_view("It's 12 <think> x\n\n  \xE6\xBC\xA2</think>"),
        json.substr(size - size / 4)}) {
    const auto ids = (*tokenizer)->Encode(text);
    if (ids.ok()) (void)(*tokenizer)->Decode(*ids);
  }
  return 0;
}
