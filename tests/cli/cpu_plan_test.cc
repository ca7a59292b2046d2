#include "cli/local/cpu_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace aha::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CpuPlanTest, WithoutLagEachSideHasEveryCoreUnpinned) {
  const CpuRequest request{{0, 1}, 1, 1, 0, 0};
  EXPECT_EQ(LearnerShare(request, 0).threads, 2);
  EXPECT_EQ(ActorShare(request, 0).threads, 2);
  EXPECT_THAT(ActorShare(request, 0).cpus, IsEmpty());
}

TEST(CpuPlanTest, SeveralProcessesOfASideDivideTheCores) {
  const CpuRequest request{{0, 1, 2, 3, 4, 5, 6, 7}, 3, 2, 0, 0};
  EXPECT_EQ(LearnerShare(request, 1).threads, 4);
  EXPECT_EQ(ActorShare(request, 2).threads, 2);
  const CpuRequest crowded{{0, 1}, 5, 1, 0, 0};
  EXPECT_EQ(ActorShare(crowded, 4).threads, 1);
}

TEST(CpuPlanTest, WithLagTheSidesAreDisjointAndPinned) {
  const CpuRequest four{{4, 6, 8, 9}, 1, 1, 1, 0};
  EXPECT_THAT(LearnerShare(four, 0).cpus, ElementsAre(4, 6));
  EXPECT_THAT(ActorShare(four, 0).cpus, ElementsAre(8, 9));
  EXPECT_EQ(ActorShare(four, 0).threads, 2);
  const CpuRequest five{{0, 1, 2, 3, 4}, 1, 1, 1, 0};
  EXPECT_THAT(LearnerShare(five, 0).cpus, ElementsAre(0, 1));
  EXPECT_THAT(ActorShare(five, 0).cpus, ElementsAre(2, 3, 4));
  EXPECT_EQ(ActorShare(five, 0).threads, 3);
}

TEST(CpuPlanTest, PinnedProcessesOfASideGetPartsOfIt) {
  const CpuRequest eight{{0, 1, 2, 3, 4, 5, 6, 7}, 2, 2, 1, 0};
  EXPECT_THAT(LearnerShare(eight, 0).cpus, ElementsAre(0, 1));
  EXPECT_THAT(LearnerShare(eight, 1).cpus, ElementsAre(2, 3));
  EXPECT_THAT(ActorShare(eight, 1).cpus, ElementsAre(6, 7));
  // An actor that came later shares the part of an earlier one.
  EXPECT_THAT(ActorShare(eight, 2).cpus, ElementsAre(4, 5));
  // Fewer cores than actors: all share the side, a thread each.
  const CpuRequest crowded{{0, 1, 2, 3}, 3, 1, 1, 0};
  EXPECT_THAT(ActorShare(crowded, 2).cpus, ElementsAre(2, 3));
  EXPECT_EQ(ActorShare(crowded, 2).threads, 1);
}

TEST(CpuPlanTest, FewCoresAreNotSplitAndExplicitThreadsAreTaken) {
  const CpuRequest one{{0}, 1, 1, 1, 0};
  EXPECT_THAT(LearnerShare(one, 0).cpus, IsEmpty());
  EXPECT_EQ(LearnerShare(one, 0).threads, 1);
  const CpuRequest two{{0, 1}, 1, 1, 1, 0};
  EXPECT_THAT(LearnerShare(two, 0).cpus, IsEmpty());
  EXPECT_EQ(ActorShare(two, 0).threads, 2);
  const CpuRequest chosen{{0, 1}, 1, 1, 1, 6};
  EXPECT_EQ(ActorShare(chosen, 0).threads, 6);
  EXPECT_THAT(ActorShare(chosen, 0).cpus, IsEmpty());
}

TEST(CpuPlanTest, ThisMachineHasACore) { EXPECT_FALSE(UsableCpus().empty()); }

}  // namespace
}  // namespace aha::cli
