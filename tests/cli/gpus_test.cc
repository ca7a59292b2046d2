#include "cli/local/gpus.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/temp_dir.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(GpusTest, TheDriverNamesThem) {
  const TempDir root;
  for (const char* bus : {"0000:17:00.0", "0000:65:00.0"}) {
    root.Write(std::string("proc/driver/nvidia/gpus/") + bus + "/information",
               "Model: \t\t NVIDIA H200\nIRQ:   \t\t 18\n");
  }
  const std::vector<std::string> gpus = FindGpus(root.path());
  EXPECT_THAT(gpus, ElementsAre("NVIDIA H200", "NVIDIA H200"));
  EXPECT_EQ(GpuText(gpus), "2 x NVIDIA H200");
}

TEST(GpusTest, WithoutADriverThePciBusTellsThatOneIsThere) {
  const TempDir root;
  const std::string devices = "sys/bus/pci/devices/";
  root.Write(devices + "0000:00:03.0/vendor", "0x1af4\n");
  root.Write(devices + "0000:00:03.0/class", "0x020000\n");
  root.Write(devices + "0000:00:04.0/vendor", "0x10de\n");
  root.Write(devices + "0000:00:04.0/class", "0x030200\n");
  EXPECT_THAT(FindGpus(root.path()), ElementsAre("NVIDIA GPU"));
  EXPECT_EQ(GpuText({"NVIDIA GPU"}), "NVIDIA GPU");
}

TEST(GpusTest, AMachineWithoutOneHasNone) {
  const TempDir root;
  EXPECT_THAT(FindGpus(root.path()), IsEmpty());
  EXPECT_EQ(GpuText({}), "");
}

}  // namespace
}  // namespace aha::cli
