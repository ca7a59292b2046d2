#include "device/device.h"

#include "absl/strings/str_cat.h"
#include "device/isa.h"
#include "dnnl.h"

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

std::string NumericClassOf(Device device) {
  if (device == Device::kReference) return std::string(NameOf(device));
  const dnnl_version_t* version = dnnl_version();
  return absl::StrCat(NameOf(CurrentIsa()), " | oneDNN ", version->major, ".",
                      version->minor, ".", version->patch);
}

Context ContextOf(Device device, ThreadPool* pool) {
  if (device == Device::kReference) return ReferenceContext{};
  return CpuContext{pool};
}

}  // namespace aha::ops
