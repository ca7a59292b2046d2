#include "rl/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace aha {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PackingTest, FillsRunsInOrderUpToTheLimit) {
  EXPECT_THAT(
      PackMicroBatches({3, 3, 4, 1, 9, 2}, 10),
      ElementsAre(MicroBatch{0, 3}, MicroBatch{3, 5}, MicroBatch{5, 6}));
}

TEST(PackingTest, ALongSequenceIsARunOfItsOwn) {
  EXPECT_THAT(
      PackMicroBatches({2, 50, 2}, 10),
      ElementsAre(MicroBatch{0, 1}, MicroBatch{1, 2}, MicroBatch{2, 3}));
}

TEST(PackingTest, HandlesEmptyInputAndExtremes) {
  EXPECT_THAT(PackMicroBatches({}, 10), IsEmpty());
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(PackMicroBatches({kHuge, kHuge}, kHuge),
              ElementsAre(MicroBatch{0, 1}, MicroBatch{1, 2}));
  EXPECT_THAT(PackMicroBatches({0, 0, 5}, 5), ElementsAre(MicroBatch{0, 3}));
}

}  // namespace
}  // namespace aha
