#include "job/threads.h"

#include <sched.h>

#include "gtest/gtest.h"

namespace aha {
namespace {

TEST(ComputeThreadsTest, TheFlagComesBeforeTheJobAndTheJobBeforeTheCores) {
  v1::Job job;
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(ComputeThreads(0, job), CPU_COUNT(&before));
  job.mutable_cluster()->set_threads(3);
  EXPECT_EQ(ComputeThreads(0, job), 3);
  EXPECT_EQ(ComputeThreads(5, job), 5);
}

TEST(ComputeThreadsTest, CountsOnlyCoresThatTheProcessMayUse) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(ComputeThreads(0, v1::Job()), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
}

}  // namespace
}  // namespace aha
