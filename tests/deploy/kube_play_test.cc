// The rendered `local` overlay as real containers: `podman kube play`, one pod
// a replica, a network of its own, the volume shared by coordinator and
// learner.  What podman does not know is done here as a cluster would do it,
// and said below (AsPods); nothing else is changed.
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/deploy/manifests.h"
#include "tests/deploy/podman.h"

namespace aha::testing {
namespace {

constexpr char kLimits[] =
    "Rendered, but not executed by podman 4.3: Services (their names are given "
    "as network aliases), NetworkPolicies, PodDisruptionBudgets, "
    "ServiceAccounts, probes (asked by this test instead), spreading, "
    "preStop; StatefulSets and Deployments are played as the pods that their "
    "controllers would make.\n";

std::string Scalar(const YAML::Node& node) { return node.as<std::string>(); }

// Sets what the kubelet would fill in from the pod's own fields.
void Resolve(YAML::Node variable, const std::string& pod,
             const std::string& address, int index) {
  const YAML::Node from = variable["valueFrom"]["fieldRef"]["fieldPath"];
  if (!from) return;
  const std::string path = from.as<std::string>();
  const std::string value = path == "metadata.name"  ? pod
                            : path == "status.podIP" ? address
                                                     : absl::StrCat(index);
  variable.remove("valueFrom");
  variable["value"] = value;
}

struct Pod {
  std::string role;
  std::string name;  // Unique on this machine; resolved by podman's DNS.
  YAML::Node document;
};

// `workload`'s pods, named by `prefix`.
std::vector<Pod> AsPods(const YAML::Node& workload, const std::string& prefix) {
  std::vector<Pod> pods;
  const int replicas = workload["spec"]["replicas"].as<int>();
  for (int i = 0; i < replicas; ++i) {
    Pod pod{.role = Role(workload), .name = "", .document = {}};
    const std::string own = absl::StrCat(Name(workload), "-", i);
    pod.name = absl::StrCat(prefix, own);
    YAML::Node spec = YAML::Clone(PodSpec(workload));
    for (YAML::Node variable : spec["containers"][0]["env"]) {
      Resolve(variable, own, pod.name, i);
    }
    // Podman 4.3 makes an emptyDir a volume of that name, for all pods.
    for (YAML::Node volume : spec["volumes"]) {
      volume["name"] = absl::StrCat(pod.name, "-", Scalar(volume["name"]));
      if (YAML::Node claim = volume["persistentVolumeClaim"]) {
        claim["claimName"] = prefix + claim["claimName"].as<std::string>();
      }
    }
    for (YAML::Node mount : spec["containers"][0]["volumeMounts"]) {
      mount["name"] = absl::StrCat(pod.name, "-", Scalar(mount["name"]));
    }
    // Podman 4.3 knows no gRPC probe, and publishes every port on the host.
    for (const char* key :
         {"startupProbe", "livenessProbe", "readinessProbe", "ports"}) {
      spec["containers"][0].remove(key);
    }
    spec["hostname"] = own;
    // A process that ends is a failure here; a cluster would start it again.
    spec["restartPolicy"] = "Never";
    pod.document["apiVersion"] = "v1";
    pod.document["kind"] = "Pod";
    pod.document["metadata"]["name"] = pod.name;
    pod.document["metadata"]["labels"] =
        YAML::Clone(workload["spec"]["template"]["metadata"]["labels"]);
    pod.document["spec"] = spec;
    pods.push_back(pod);
  }
  return pods;
}

// The local overlay, played; removed at the end.
class Played {
 public:
  Played(const Manifests& rendered, const std::string& image)
      : prefix_(absl::StrCat("t", getpid(), "n", ++count_, "-")),
        network_(prefix_ + "net"),
        maps_(OfKind(rendered, "ConfigMap")) {
    for (const YAML::Node& workload : Workloads(rendered)) {
      for (Pod& pod : AsPods(workload, prefix_)) {
        pod.document["spec"]["containers"][0]["image"] = image;
        pods_.push_back(pod);
      }
    }
    for (const YAML::Node& claim : OfKind(rendered, "PersistentVolumeClaim")) {
      volume_ = prefix_ + Name(claim);
    }
  }

  ~Played() {
    for (const Pod& pod : pods_) Podman("pod rm -f -t 0 " + pod.name);
    Podman("volume rm -f " + volume_);
    Podman("network rm -f " + network_);
  }

  // "" or what went wrong.
  std::string Start() {
    CommandResult ran = Podman("network create " + network_);
    if (ran.exit_code != 0) return ran.output;
    // As fsGroup would have it.
    ran = Podman("volume create -o o=uid=10001,gid=10001 " + volume_);
    if (ran.exit_code != 0) return ran.output;
    for (const Pod& pod : pods_) {
      Manifests documents = maps_;
      documents.push_back(pod.document);
      const std::string file = directory_.path() + "/" + pod.name + ".yaml";
      std::ofstream(file) << ToText(documents);
      ran = Podman(absl::StrCat("kube play --network ", network_, ":alias=aha-",
                                pod.role, " ", file));
      if (ran.exit_code != 0) return absl::StrCat(pod.name, ": ", ran.output);
    }
    return "";
  }

  const std::vector<Pod>& pods() const { return pods_; }

  std::string Container(const Pod& pod) const {
    return absl::StrCat(pod.name, "-", pod.role);
  }

  // A file of the run directory.
  std::string File(const std::string& name) const {
    const CommandResult ran =
        Podman("volume inspect --format '{{.Mountpoint}}' " + volume_);
    return ReadFileOrEmpty(absl::StrCat(absl::StripAsciiWhitespace(ran.output),
                                        "/runs/job/", name));
  }

  int64_t Steps() const {
    const std::string lines = File("metrics.jsonl");
    return std::count(lines.begin(), lines.end(), '\n');
  }

  std::string Logs() const {
    std::string all;
    for (const Pod& pod : pods_) {
      absl::StrAppend(&all, "== ", pod.name, "\n",
                      Podman("logs --tail 6 " + Container(pod)).output);
    }
    return all;
  }

  // The kubelet's question, from outside the pod.
  CommandResult Health(const Pod& pod, const std::string& service) const {
    return Podman(absl::StrCat("exec ", Container(pod),
                               " ahactl health --service ", service));
  }

  bool AwaitEnd(absl::Duration limit) const {
    return Eventually([this] { return !File("summary.json").empty(); }, limit);
  }

 private:
  inline static int count_ = 0;
  const std::string prefix_;
  const std::string network_;
  const Manifests maps_;
  const TempDir directory_;
  std::string volume_;
  std::vector<Pod> pods_;
};

// Pods of a test that was killed would go on for ever.
void RemoveLeftovers() {
  Podman(
      "pod ps --format '{{.Name}}' | grep -E '^t[0-9]+n[0-9]+-aha' | "
      "while read -r pod; do pid=${pod#t}; "
      "[ -e /proc/${pid%%n*} ] || podman pod rm -f -t 0 $pod; done");
}

class KubePlayTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    why_not_ = WhyNoContainers();
    if (why_not_.empty()) why_not_ = WhyNoKubectl();
    if (!why_not_.empty()) return;
    std::cout << kLimits;
    const auto rendered = Render("local");
    ASSERT_TRUE(rendered.ok()) << rendered.status();
    rendered_ = new Manifests(*rendered);
    const auto image = AhaImage();
    ASSERT_TRUE(image.ok()) << image.status();
    image_ = *image;
    RemoveLeftovers();
    // The reference: `ahactl run` of the same job on this machine.
    const TempDir directory;
    LocalCluster local(AHA_SOURCE_DIR "/deploy/kubernetes/base/job.yaml",
                       directory.path() + "/run", {});
    ASSERT_EQ(local.Wait(absl::Minutes(4)), 0) << local.Output();
    checksum_ = local.Summary().value("checksum", "");
    std::cout << "checksum of ahactl run: " << checksum_ << "\n";
  }

  static void TearDownTestSuite() { delete rendered_; }

  void SetUp() override {
    if (!why_not_.empty()) {
      GTEST_SKIP() << "CONTAINERS ARE NOT TESTED: " << why_not_;
    }
    ASSERT_FALSE(checksum_.empty());
  }

  void ExpectSucceeded(const Played& played) {
    const nlohmann::json summary =
        nlohmann::json::parse(played.File("summary.json"), nullptr, false);
    ASSERT_TRUE(summary.is_object()) << played.Logs();
    EXPECT_EQ(summary.value("state", ""), "succeeded") << played.Logs();
    std::cout << "checksum of podman kube play: "
              << summary.value("checksum", "") << "\n";
    EXPECT_EQ(summary.value("checksum", ""), checksum_);
  }

  inline static std::string why_not_;
  inline static Manifests* rendered_ = nullptr;
  inline static std::string image_;
  inline static std::string checksum_;
};

TEST_F(KubePlayTest, TheLocalOverlayGivesTheChecksumOfAhactlRun) {
  Played played(*rendered_, image_);
  ASSERT_EQ(played.Start(), "");
  for (const Pod& pod : played.pods()) {
    ASSERT_TRUE(Eventually(
        [&] { return played.Health(pod, "readiness").exit_code == 0; },
        absl::Seconds(30)))
        << pod.name << " is not ready\n"
        << played.Logs();
    EXPECT_EQ(played.Health(pod, "liveness").exit_code, 0) << pod.name;
  }
  ASSERT_TRUE(played.AwaitEnd(absl::Minutes(2))) << played.Logs();
  ExpectSucceeded(played);
  // The coordinator of a finished job stays to be asked (--linger), and SIGTERM
  // ends it, process 1 of its container, with 0, as the others have ended.
  for (const Pod& pod : played.pods()) {
    const std::string container = played.Container(pod);
    if (pod.role == "coordinator") {
      EXPECT_EQ(played.Health(pod, "liveness").exit_code, 0) << played.Logs();
    }
    Podman("stop -t 20 " + container);
    EXPECT_THAT(
        Podman("inspect --format 'exit {{.State.ExitCode}}' " + container)
            .output,
        ::testing::HasSubstr("exit 0"))
        << played.Logs();
  }
}

TEST_F(KubePlayTest, AnActorPodThatIsRemovedHalfWayChangesNothing) {
  Played played(*rendered_, image_);
  ASSERT_EQ(played.Start(), "");
  ASSERT_TRUE(Eventually([&] { return played.Steps() >= 8; }, absl::Minutes(1)))
      << played.Logs();
  const auto actor =
      std::find_if(played.pods().begin(), played.pods().end(),
                   [](const Pod& pod) { return pod.role == "actor"; });
  ASSERT_NE(actor, played.pods().end());
  ASSERT_EQ(Podman("pod rm -f -t 0 " + actor->name).exit_code, 0);
  ASSERT_EQ(played.File("summary.json"), "") << "it was over before";
  ASSERT_TRUE(played.AwaitEnd(absl::Minutes(2))) << played.Logs();
  ExpectSucceeded(played);
}

}  // namespace
}  // namespace aha::testing
