// tokenizer.json and what is encoded with it, chat templates, GGUF headers:
// parsers of files from outside.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"

namespace {

void FuzzTokenizer(absl::string_view json, absl::string_view text) {
  const auto tokenizer = aha::Tokenizer::Parse(json, "");
  if (!tokenizer.ok()) return;
  const auto ids = (*tokenizer)->Encode(text);
  if (ids.ok()) (void)(*tokenizer)->Decode(*ids);
}

void FuzzGguf(absl::string_view bytes) {
  const auto file = aha::GgufFile::Parse(bytes);
  if (!file.ok()) return;
  for (const aha::GgufTensor& tensor : (*file)->tensors()) {
    std::vector<float> values(static_cast<size_t>(tensor.count));
    aha::Dequantize(tensor, 0, absl::MakeSpan(values));
  }
}

}  // namespace

// The first byte picks the parser, so that one corpus serves all three.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                size - 1);
  switch (data[0] % 3) {
    case 0:
      FuzzTokenizer(bytes, "It's 12 <think> x\n\n  \xE6\xBC\xA2</think>");
      break;
    case 1:
      (void)aha::ChatTemplate::Recognise(bytes);
      break;
    default:
      FuzzGguf(bytes);
  }
  return 0;
}
