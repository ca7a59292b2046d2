#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/ceil_div.h"
#include "ops/finite.h"

namespace aha::ops {
namespace {

constexpr int64_t kNumbers = 1 << 16;  // Elements of one task.

// Whether some number's exponent is all ones.  It has no branches, so that it
// runs at the speed of memory.
template <class Word, Word kExponent>
bool HasNonFinite(const void* data, int64_t begin, int64_t count) {
  const char* const bytes =
      static_cast<const char*>(data) + begin * int64_t{sizeof(Word)};
  bool found = false;
  for (int64_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes + i * int64_t{sizeof(Word)}, sizeof(Word));
    found |= (word & kExponent) == kExponent;
  }
  return found;
}

bool HasNonFinite(const AllFiniteArgs& a, int64_t begin, int64_t count) {
  return a.dtype == DType::kBf16
             ? HasNonFinite<uint16_t, 0x7f80>(a.data, begin, count)
             : HasNonFinite<uint32_t, 0x7f800000>(a.data, begin, count);
}

}  // namespace

bool AllFinite(const CpuContext& context, const AllFiniteArgs& a) {
  std::atomic<bool> found{false};
  context.pool->For(CeilDiv(a.count, kNumbers), [&](int64_t task) {
    const int64_t begin = task * kNumbers;
    const int64_t count = std::min(kNumbers, a.count - begin);
    if (HasNonFinite(a, begin, count)) found = true;
  });
  return !found;
}

}  // namespace aha::ops
