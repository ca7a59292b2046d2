// Fuzzes compressed data files, which come out of the stream as rows.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/byte_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kLimit = 1 << 20;
  const auto stream =
      aha::ByteStreamOf({reinterpret_cast<const char*>(data), size}, kLimit);
  if (!stream.ok()) return 0;
  std::vector<char> buffer(4096);
  while (true) {
    const auto read = (*stream)->Read(absl::MakeSpan(buffer));
    if (!read.ok() || *read == 0) return 0;
  }
}
