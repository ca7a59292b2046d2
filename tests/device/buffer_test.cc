#include "device/buffer.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "gtest/gtest.h"

namespace aha {
namespace {

constexpr size_t kHuge = size_t{2} << 20;

TEST(AllocateTest, MemoryIsAlignedToCacheLinesAndLargeMemoryToHugePages) {
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{100'000},
                             kHuge - 1, kHuge, kHuge + 1, 3 * kHuge + 7}) {
    void* memory = Allocate(bytes);
    ASSERT_NE(memory, nullptr);
    const auto at = reinterpret_cast<uintptr_t>(memory);
    EXPECT_EQ(at % (bytes >= kHuge ? kHuge : 64), 0u) << bytes;
    std::memset(memory, 0xFF, bytes);  // All of it can be written.
    FreeAllocated(memory);
  }
}

TEST(AllocateTest, NoBytesNeedNoMemory) {
  EXPECT_EQ(Allocate(0), nullptr);
  EXPECT_EQ(AllocateZeroed(0), nullptr);
  FreeAllocated(nullptr);
}

TEST(AllocateTest, ZeroedMemoryIsZeroAlsoWhereItWasUsedBefore) {
  for (const size_t bytes : {size_t{1000}, kHuge + 100}) {
    void* used = Allocate(bytes);
    std::memset(used, 0xFF, bytes);
    FreeAllocated(used);
    void* memory = AllocateZeroed(bytes);
    const char* at = static_cast<const char*>(memory);
    for (size_t i = 0; i < bytes; ++i) ASSERT_EQ(at[i], 0) << i;
    FreeAllocated(memory);
  }
}

TEST(AllocateTest, MoreThanThereCanBeThrows) {
  const size_t impossible = std::numeric_limits<size_t>::max() / 2;
  EXPECT_THROW(Allocate(impossible), std::bad_alloc);
}

TEST(AllocateTest, AdviceChangesNoByte) {
  char* memory = static_cast<char*>(Allocate(3 * kHuge));
  std::memset(memory, 7, 3 * kHuge);
  AdviseHugePages(memory, 3 * kHuge);
  AdviseHugePages(memory + 1, 100);        // No whole page in it.
  AdviseHugePages(memory + 1, 2 * kHuge);  // One, not at its beginning.
  AdviseHugePages(nullptr, 0);
  for (size_t i = 0; i < 3 * kHuge; i += 4096) ASSERT_EQ(memory[i], 7);
  FreeAllocated(memory);
}

TEST(BufferTest, AnEmptyBufferHasNoMemory) {
  const Buffer buffer;
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(buffer.data(), nullptr);
}

TEST(BufferTest, ItGrowsAndNeverShrinks) {
  Buffer buffer(100);
  EXPECT_EQ(buffer.size(), 100u);
  std::byte* const before = buffer.data();
  EXPECT_EQ(buffer.Bytes(50), before) << "there is room";
  EXPECT_EQ(buffer.Bytes(100), before);
  EXPECT_EQ(buffer.size(), 100u);
  EXPECT_NE(buffer.Bytes(1000), nullptr);
  EXPECT_EQ(buffer.size(), 1000u);
  buffer.Reserve(0);
  EXPECT_EQ(buffer.size(), 1000u);
}

TEST(BufferTest, ElementsHaveTheirSize) {
  Buffer buffer;
  double* numbers = buffer.Get<double>(10);
  EXPECT_EQ(buffer.size(), 80u);
  numbers[9] = 2.5;
  EXPECT_EQ(buffer.as<double>()[9], 2.5);
  EXPECT_EQ(buffer.Get<double>(5), numbers);
  EXPECT_EQ(buffer.Get<double>(0), numbers);
}

TEST(BufferTest, AMoveTakesTheMemoryAlong) {
  Buffer first(64);
  std::byte* const memory = first.data();
  const Buffer second = std::move(first);
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(second.size(), 64u);
}

}  // namespace
}  // namespace aha
