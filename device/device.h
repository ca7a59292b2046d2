// The devices that a process can compute on, by name.  A process chooses one
// when it starts (--device) and makes its contexts from it.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/thread_pool.h"
#include "device/context.h"

namespace aha::ops {

enum class Device { kReference, kCpu };

// "reference" or "cpu"; INVALID_ARGUMENT naming both for anything else.
absl::StatusOr<Device> ParseDevice(absl::string_view name);
absl::string_view NameOf(Device device);
inline std::ostream& operator<<(std::ostream& out, Device device) {
  return out << NameOf(device);
}

// What the bits of the device's kernels depend on beside the number format: the
// instruction set and the version of the GEMM library.  For people, and part of
// the certificate: "avx512_bf16 | oneDNN 2.6.3".
std::string NumericClassOf(Device device);

// `pool` is not owned; the reference device does not use it.
Context ContextOf(Device device, ThreadPool* pool);

}  // namespace aha::ops
