// The devices that a process can compute on, by name.  A process chooses one
// when it starts (--device) and makes its contexts from it.
#pragma once

#include <ostream>

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

// `pool` is not owned; the reference device does not use it.
Context ContextOf(Device device, ThreadPool* pool);

}  // namespace aha::ops
