// Tests the image of deploy/Dockerfile, which buildah builds on a debootstrap
// base.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/deploy/podman.h"

namespace aha::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kMebibyte = 1 << 20;

class ImageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    why_not_ = WhyNoContainers();
    if (!why_not_.empty()) return;
    const auto image = AhaImage();
    if (absl::IsUnavailable(image.status())) {
      why_not_ = std::string(image.status().message());
      return;
    }
    ASSERT_TRUE(image.ok()) << image.status();
    image_ = *image;
  }

  void SetUp() override {
    if (!why_not_.empty()) {
      GTEST_SKIP() << "CONTAINERS ARE NOT TESTED: " << why_not_;
    }
    ASSERT_FALSE(image_.empty());
  }

  // Runs a container whose root is read-only.
  CommandResult Run(const std::string& arguments) const {
    return Podman(
        absl::StrCat("run --rm --network none --read-only "
                     "--no-healthcheck --cap-drop all ",
                     arguments));
  }

  inline static std::string why_not_;
  inline static std::string image_;
};

TEST_F(ImageTest, ItIsAtMost150MebibytesOverItsBase) {
  const auto base = BaseImage();
  ASSERT_TRUE(base.ok()) << base.status();
  const auto below = ImageBytes(*base);
  const auto whole = ImageBytes(image_);
  ASSERT_TRUE(below.ok() && whole.ok());
  std::cout << (*whole - *below) / kMebibyte << " MiB over the base\n";
  EXPECT_LT(*whole - *below, 150 * kMebibyte);
}

TEST_F(ImageTest, ItIsNotRootHasAHealthCheckAndDescribesItself) {
  const CommandResult ran = Podman(absl::StrCat(
      "image inspect --format '{{.User}} {{.Config.Healthcheck}} {{.Labels}}' ",
      image_));
  EXPECT_THAT(ran.output, HasSubstr("10001:10001"));
  EXPECT_THAT(ran.output, HasSubstr("ahactl health"));
  EXPECT_THAT(ran.output, HasSubstr("org.opencontainers.image.revision"));
  EXPECT_THAT(ran.output, HasSubstr("org.opencontainers.image.version"));
}

TEST_F(ImageTest, EveryProgramRunsAndSaysVersionAndCommit) {
  std::string script = "id -u";
  std::string wanted = "10001\n";
  for (const char* program : {"aha-coordinator", "aha-actor", "aha-reward",
                              "aha-learner", "ahactl", "aha-model"}) {
    absl::StrAppend(&script, "; ", program, " --version");
    absl::StrAppend(&wanted, RunCommand({Binary(program), "--version"}).output);
  }
  EXPECT_THAT(Run(absl::StrCat(image_, " sh -c '", script, "'")).output,
              HasSubstr(wanted));
}

TEST_F(ImageTest, ItContainsTheRecipes) {
  EXPECT_EQ(
      Run(image_ + " ahactl config validate /usr/share/aha/recipes/tiny.yaml")
          .exit_code,
      0);
}

TEST_F(ImageTest, ItKeepsTheNoticesOfWhatItContains) {
  EXPECT_THAT(Run(image_ + " cat /usr/share/doc/aha/NOTICE "
                           "/usr/share/doc/libdnnl2/copyright")
                  .output,
              AllOf(HasSubstr("Aha links the libraries below"),
                    HasSubstr("Apache-2.0")));
}

TEST_F(ImageTest, AWrongArgumentIsRefusedFinally) {
  const CommandResult ran =
      Run(image_ + " aha-actor --coordinator=c:7000 --no-such-flag");
  EXPECT_EQ(ran.exit_code, 78);
  EXPECT_THAT(ran.output, HasSubstr("no-such-flag"));
}

TEST_F(ImageTest, AReadOnlyVolumeIsRefusedFinally) {
  const CommandResult ran =
      Run(absl::StrCat("--tmpfs /var/lib/aha:ro ", image_,
                       " aha-coordinator --run-dir=/var/lib/aha/run "
                       "--job=/usr/share/aha/recipes/tiny.yaml"));
  EXPECT_EQ(ran.exit_code, 78) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("--run-dir"));
  EXPECT_THAT(ran.output, HasSubstr("/var/lib/aha/run"));
}

TEST_F(ImageTest, AFullVolumeIsOneLineAndMayBeTriedAgain) {
  const CommandResult ran =
      Run(absl::StrCat("--tmpfs /tmp:size=16k,mode=1777 ", image_,
                       " aha-coordinator --run-dir=/tmp/run "
                       "--job=/usr/share/aha/recipes/tiny.yaml"));
  EXPECT_EQ(ran.exit_code, 1) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("/tmp/run/coordinator.db"));
}

TEST_F(ImageTest, AJobThatDoesNotValidateIsRefusedFinally) {
  const CommandResult ran = Run(absl::StrCat(
      image_, " aha-coordinator --run-dir=/tmp/run --job=/etc/hostname"));
  EXPECT_EQ(ran.exit_code, 78) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("/etc/hostname"));
}

}  // namespace
}  // namespace aha::testing
