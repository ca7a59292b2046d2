#include <cstring>

#include "ops/copy.h"

namespace aha::ops {

void Copy(const ReferenceContext&, absl::Span<const CopyArgs> copies) {
  for (const CopyArgs& copy : copies) {
    std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.bytes));
  }
}

}  // namespace aha::ops
