#include "device/device.h"

#include "absl/strings/str_cat.h"

namespace aha::ops {

absl::StatusOr<Device> ParseDevice(absl::string_view name) {
  for (const Device device : {Device::kReference, Device::kCpu}) {
    if (name == NameOf(device)) return device;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device must be reference or cpu, got '", name, "'"));
}

absl::string_view NameOf(Device device) {
  return device == Device::kReference ? "reference" : "cpu";
}

Context ContextOf(Device device, ThreadPool* pool) {
  if (device == Device::kReference) return ReferenceContext{};
  return CpuContext{pool};
}

}  // namespace aha::ops
