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
  std::string Problem() { return controller_->Status().problem(); }
};

}  // namespace aha::coordinator
