#include <algorithm>
#include <cstring>

#include "base/ceil_div.h"
#include "ops/copy.h"

namespace aha::ops {
namespace {

constexpr int64_t kPartBytes =
    1 << 17;  // Bytes of a long copy that one task copies.

}  // namespace

void Copy(const CpuContext& context, absl::Span<const CopyArgs> copies) {
  if (copies.size() == 1) {
    const CopyArgs& whole = copies[0];
    const int64_t parts = CeilDiv(whole.bytes, kPartBytes);
    context.pool->For(parts, [&](int64_t part) {
      const int64_t begin = part * kPartBytes;
      std::memcpy(
          static_cast<char*>(whole.to) + begin,
          static_cast<const char*>(whole.from) + begin,
          static_cast<size_t>(std::min(kPartBytes, whole.bytes - begin)));
    });
    return;
  }
  context.pool->For(static_cast<int64_t>(copies.size()), [&](int64_t i) {
    const CopyArgs& copy = copies[static_cast<size_t>(i)];
    std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  });
}

}  // namespace aha::ops
