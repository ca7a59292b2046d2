#include "base/backoff.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/host_name.h"

namespace aha {

absl::Duration Backoff::Wait(int attempt, uint64_t key) const {
  // Beyond 2^20 every sensible policy has reached its longest wait.
  const absl::Duration wait =
      std::min(first * (int64_t{1} << std::clamp(attempt, 0, 20)), longest);
  const uint64_t words[] = {key, static_cast<uint64_t>(attempt)};
  const uint64_t bits = Hash64(words, sizeof(words));
  const double unit = static_cast<double>(bits >> 11) * 0x1p-53;  // [0, 1)
  return wait * (0.5 + unit);
}

uint64_t JitterKey(absl::string_view what) {
  const std::string text = absl::StrCat(HostName(), " ", getpid(), " ", what);
  return Hash64(text.data(), text.size());
}

}  // namespace aha
