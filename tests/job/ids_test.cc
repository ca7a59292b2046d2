#include "job/ids.h"

#include "absl/hash/hash_testing.h"
#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(WeightsIdTest, SurvivesTheWire) {
  const WeightsId id{.stage = 2, .version = uint64_t{1} << 40};
  EXPECT_EQ(WeightsId::Of(id.ToProto()), id);
  EXPECT_EQ(WeightsId::Of(v1::WeightsId()), WeightsId());
}

TEST(WeightsIdTest, IsWrittenAsStageAndVersion) {
  EXPECT_EQ((WeightsId{.stage = 1, .version = 30}.ToString()), "1.30");
}

TEST(WeightsIdTest, IsOrderedAsVersionsAreMade) {
  EXPECT_LT((WeightsId{.stage = 1, .version = 9}),
            (WeightsId{.stage = 1, .version = 10}));
  EXPECT_LT((WeightsId{.stage = 1, .version = 9}),
            (WeightsId{.stage = 2, .version = 0}));
}

TEST(WeightsIdTest, IdsThatDifferHashDifferently) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly({
      WeightsId{},
      WeightsId{.stage = 1, .version = 0},
      WeightsId{.stage = 0, .version = 1},
  }));
}

TEST(GroupIdTest, SurvivesTheWireAndIsOrderedAsGroupsAreConsumed) {
  const GroupId id{.stage = 2, .step = 3, .slot = 4};
  EXPECT_EQ(GroupId::Of(id.ToProto()), id);
  EXPECT_LT(id, (GroupId{.stage = 2, .step = 4, .slot = 0}));
}

}  // namespace
}  // namespace aha
