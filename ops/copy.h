// Copies between buffers of one device.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "device/context.h"

namespace aha::ops {

struct CopyArgs {
  const void* from;  // [bytes]
  void* to;          // [bytes]; the two do not overlap
  int64_t bytes;
};
// All of them, in any order: no copy may read what another one writes.
void Copy(const CpuContext& context, absl::Span<const CopyArgs> copies);
void Copy(const ReferenceContext&, absl::Span<const CopyArgs> copies);
inline void Copy(const Context& context, absl::Span<const CopyArgs> copies) {
  context.Visit([&](const auto& device) { Copy(device, copies); });
}

}  // namespace aha::ops
