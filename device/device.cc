#include "device/device.h"

#include "absl/strings/str_cat.h"
#include "base/names.h"
#include "device/isa.h"
#include "dnnl.h"

namespace aha::ops {

namespace {

constexpr NamedValue<Device> kDevices[] = {{Device::kReference, "reference"},
                                           {Device::kCpu, "cpu"}};

}  // namespace

absl::StatusOr<Device> ParseDevice(absl::string_view name) {
  return ValueOfName("device", kDevices, name);
}

absl::string_view NameOf(Device device) {
  return NameOfValue(kDevices, device);
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
