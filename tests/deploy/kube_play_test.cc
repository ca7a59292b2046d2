// Runs overlays as real containers (played.h). The result is that of `ahactl
// run`.
#include <gmock/gmock.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/deploy/played.h"
#include "tests/tiny_checksum.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

// It takes ten seconds on an idle machine; other tests may run at the same
// time.
constexpr absl::Duration kJob = absl::Minutes(4);

class KubePlayTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    why_not_ = WhyNoContainers();
    if (why_not_.empty()) why_not_ = WhyNoKubectl();
    if (!why_not_.empty()) return;
    std::cout << kPlayLimits;
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

  static Manifests Overlay(const std::string& name) {
    const absl::StatusOr<Manifests> rendered = Render(name);
    EXPECT_TRUE(rendered.ok()) << rendered.status();
    return rendered.ok() ? *rendered : Manifests();
  }

  static const Pod* Find(const Played& played, const std::string& role) {
    for (const Pod& pod : played.pods()) {
      if (pod.role == role) return &pod;
    }
    return nullptr;
  }

  static void ExpectReady(const Played& played) {
    for (const Pod& pod : played.pods()) {
      ASSERT_TRUE(Eventually(
          [&] { return played.Health(pod, "readiness").exit_code == 0; }, kJob))
          << pod.name << " is not ready\n"
          << played.Logs();
      EXPECT_EQ(played.Health(pod, "liveness").exit_code, 0) << pod.name;
    }
  }

  static void ExpectSucceeded(const Played& played) {
    ASSERT_TRUE(played.AwaitEnd(kJob)) << played.Logs();
    const nlohmann::json summary =
        nlohmann::json::parse(played.File("summary.json"), nullptr, false);
    ASSERT_TRUE(summary.is_object()) << played.Logs();
    EXPECT_EQ(summary.value("state", ""), "succeeded") << played.Logs();
    std::cout << "checksum of podman kube play: "
              << summary.value("checksum", "") << "\n";
    // The base runs recipes/tiny.yaml (manifests_test.cc), whose checksum is
    // the same in every environment (promise_test.cc).
    if (TinyChecksum().empty()) GTEST_SKIP() << "no checksum is recorded";
    EXPECT_EQ(summary.value("checksum", ""), TinyChecksum());
  }

  inline static std::string why_not_;
  inline static std::string image_;
};

TEST_F(KubePlayTest, TheLocalOverlayGivesTheChecksumOfAhactlRun) {
  Played played(Overlay("local"), image_);
  ASSERT_EQ(played.Start(), "");
  ExpectReady(played);
  ExpectSucceeded(played);
  // The coordinator of a finished job keeps serving (--linger). SIGTERM ends
  // it, as process 1 of its container, with exit code 0, as the other processes
  // have ended.
  for (const Pod& pod : played.pods()) {
    const std::string container = played.Container(pod);
    if (pod.role == "coordinator") {
      EXPECT_EQ(played.Health(pod, "liveness").exit_code, 0) << played.Logs();
    }
    Podman("stop -t 20 " + container);
    EXPECT_THAT(
        Podman("inspect --format 'exit {{.State.ExitCode}}' " + container)
            .output,
        HasSubstr("exit 0"))
        << played.Logs();
  }
}

TEST_F(KubePlayTest, AnActorPodThatIsRemovedHalfWayChangesNothing) {
  Played played(Overlay("local"), image_);
  ASSERT_EQ(played.Start(), "");
  ASSERT_TRUE(Eventually([&] { return played.Steps() >= 8; }, kJob))
      << played.Logs();
  const Pod* const actor = Find(played, "actor");
  ASSERT_NE(actor, nullptr);
  // Removing the rest of a pod takes podman seconds.
  ASSERT_EQ(Podman("kill -s KILL " + played.Container(*actor)).exit_code, 0);
  ASSERT_EQ(played.File("summary.json"), "") << "it was over before";
  ASSERT_EQ(Podman("pod rm -f -t 0 " + actor->name).exit_code, 0);
  ExpectSucceeded(played);
}

TEST_F(KubePlayTest, MutualTlsBetweenPodsChangesNothingAndKeepsRolesApart) {
  const TempDir certificates;
  const auto secrets = MakeSecrets(certificates.path() + "/made");
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  Played played(Overlay("local-tls"), image_, *secrets);
  ASSERT_EQ(played.Start(), "");
  ExpectReady(played);
  // This uses the coordinator's certificate, which its environment names.
  const Pod* const coordinator = Find(played, "coordinator");
  ASSERT_NE(coordinator, nullptr);
  const CommandResult denied =
      Podman(absl::StrCat("exec ", played.Container(*coordinator),
                          " ahactl job get --address aha-coordinator:7000"));
  EXPECT_EQ(denied.exit_code, 6) << denied.output;
  EXPECT_THAT(denied.output, HasSubstr("is for the roles admin"));
  ExpectSucceeded(played);
}

}  // namespace
}  // namespace aha::testing
