#include "device/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::ops {
namespace {

using ::testing::HasSubstr;

TEST(DeviceTest, EachDeviceIsFoundByItsName) {
  for (const Device device : {Device::kReference, Device::kCpu}) {
    const absl::StatusOr<Device> found = ParseDevice(NameOf(device));
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, device);
  }
}

TEST(DeviceTest, AnotherNameIsRefusedWithTheOnesThatExist) {
  const absl::Status status = ParseDevice("cuda").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("reference or cpu, got 'cuda'"));
}

TEST(DeviceTest, AContextCallsTheBodyOfItsDevice) {
  ThreadPool pool(1);
  const auto device_of = [](const Context& context) {
    return context.Visit([](const auto& device) {
      return std::is_same_v<std::decay_t<decltype(device)>, CpuContext>
                 ? Device::kCpu
                 : Device::kReference;
    });
  };
  EXPECT_EQ(device_of(ContextOf(Device::kReference, &pool)),
            Device::kReference);
  EXPECT_EQ(device_of(ContextOf(Device::kCpu, &pool)), Device::kCpu);
}

}  // namespace
}  // namespace aha::ops
