// A whole job on the reference device, chosen when the processes start.
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"
#include "tests/integration/small_job.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

class ReferenceDeviceTest : public ::testing::Test {
 protected:
  ReferenceDeviceTest() { std::ofstream(job_) << kSmallJob; }

  Outcome Run(const std::vector<std::string>& arguments) {
    LocalCluster cluster(
        job_, scratch_.path() + "/run" + std::to_string(++runs_), arguments);
    return Finish(cluster);
  }

 private:
  TempDir scratch_;
  int runs_ = 0;
  const std::string job_ = scratch_.path() + "/job.yaml";
};

TEST_F(ReferenceDeviceTest, AGrpoJobTrainsOnTheReferenceDeviceWithOneChecksum) {
  const std::vector<std::string> reference = {"--device", "reference"};
  const Outcome alone = Run(reference);
  ExpectSucceeded(alone);
  std::vector<std::string> more = reference;
  more.insert(more.end(), {"--actors", "2", "--learners", "2"});
  ExpectSame(Run(more), alone);
  // Each comparison above could fail: another seed, another checksum; and the
  // reference's sums are not rounded as the CPU's are.
  std::vector<std::string> other = reference;
  other.insert(other.end(), {"--set", "seed=8"});
  EXPECT_NE(Run(other).checksum, alone.checksum);
  EXPECT_NE(Run({}).checksum, alone.checksum);
}

TEST_F(ReferenceDeviceTest, ADeviceThatDoesNotExistIsAUsageError) {
  const Outcome outcome = Run({"--device", "abacus"});
  EXPECT_EQ(outcome.exit_code, 2) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("--device"));
  EXPECT_THAT(outcome.output, HasSubstr("reference"));
}

}  // namespace
}  // namespace aha::testing
