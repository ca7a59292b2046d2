// Fuzzes GGUF files: metadata, the table of tensors, and their numbers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "model/formats/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = aha::GgufFile::Parse(bytes);
  if (!file.ok()) return 0;
  for (const aha::GgufTensor& tensor : (*file)->tensors()) {
    std::vector<float> values(static_cast<size_t>(tensor.count));
    if (!(*file)->Read(tensor, 0, absl::MakeSpan(values)).ok()) std::abort();
  }
  return 0;
}
