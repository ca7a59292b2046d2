// The controller's test fixture.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "tests/coordinator/fake_cluster.h"

namespace aha::coordinator {

class ControllerTest : public ::testing::Test, public FakeCluster {
 protected:
  void SetUp() override { Start(); }

  // The grpo stage from its first weights on.
  void EnterGrpo() {
    JoinAll();
    ASSERT_EQ(NextStage(), "0/0@");
    ASSERT_TRUE(Publish({0, 0}).ok());
  }
  void RunToTheEnd() {
    EnterGrpo();
    for (uint64_t step = 0; step < 3; ++step) ASSERT_TRUE(Step(0, step).ok());
    ASSERT_TRUE(Checkpoint(0, 3).ok());
    ASSERT_EQ(NextStage(), "1/0@" + CheckpointName(0, 3));
    ASSERT_TRUE(Publish({1, 0}).ok());
    Evaluate();
  }
  std::string Problem() { return controller_->Status().problem(); }
};

}  // namespace aha::coordinator
