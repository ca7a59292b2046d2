// Checks deploy/kubernetes as kustomize renders it: the twelve points of a
// well-made deployment on every workload of both overlays, and the names in it
// against each other and against the programs. No cluster is needed.
#include "tests/deploy/manifests.h"

#include <gmock/gmock.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "job/file/job.h"
#include "tests/integration/local_cluster.h"

namespace aha::testing {
namespace {

using ::testing::HasSubstr;

std::string Text(const YAML::Node& node) {
  return node && node.IsScalar() ? node.as<std::string>() : "";
}

class ManifestsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKubectl(); !why.empty()) {
      GTEST_SKIP() << "MANIFESTS ARE NOT TESTED: " << why;
    }
    const absl::StatusOr<Manifests> rendered = Render(GetParam());
    ASSERT_TRUE(rendered.ok()) << rendered.status();
    all_ = *rendered;
    ASSERT_EQ(Workloads(all_).size(), 4u);
  }

  YAML::Node Named(const std::string& kind, const std::string& name) const {
    for (const YAML::Node& document : OfKind(all_, kind)) {
      if (Name(document) == name) return document;
    }
    return {};
  }

  YAML::Node Labels(const YAML::Node& workload) const {
    return workload["spec"]["template"]["metadata"]["labels"];
  }

  // Returns the number of pods that `match_labels` chooses.
  int Selected(const YAML::Node& match_labels) const {
    int selected = 0;
    for (const YAML::Node& workload : Workloads(all_)) {
      selected += Selects(match_labels, Labels(workload)) ? 1 : 0;
    }
    return selected;
  }

  // Returns the settings that every container gets.
  YAML::Node Settings() const {
    for (const YAML::Node& map : OfKind(all_, "ConfigMap")) {
      if (absl::StartsWith(Name(map), "aha-settings")) return map["data"];
    }
    return {};
  }

  Manifests all_;
};

TEST_P(ManifestsTest, Point1ProbesAskTheHealthServicesOfThePrograms) {
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node container = Container(workload);
    const YAML::Node live = container["livenessProbe"]["grpc"];
    const YAML::Node ready = container["readinessProbe"]["grpc"];
    EXPECT_EQ(Text(container["startupProbe"]["grpc"]["service"]), "liveness");
    EXPECT_EQ(Text(live["service"]), "liveness") << Name(workload);
    EXPECT_EQ(Text(ready["service"]), "readiness") << Name(workload);
    for (const YAML::Node& probe : {live, ready}) {
      EXPECT_THAT(Text(Settings()["AHA_HEALTH_LISTEN"]),
                  ::testing::EndsWith(absl::StrCat(":", Text(probe["port"]))));
    }
  }
}

TEST_P(ManifestsTest, Point2StopsAreGraceful) {
  for (const YAML::Node& workload : Workloads(all_)) {
    EXPECT_GE(PodSpec(workload)["terminationGracePeriodSeconds"].as<int>(), 30);
    EXPECT_TRUE(Container(workload)["lifecycle"]["preStop"]) << Name(workload);
  }
}

TEST_P(ManifestsTest, Point3PodsAreRestricted) {
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node pod = PodSpec(workload);
    const YAML::Node inner = Container(workload)["securityContext"];
    EXPECT_EQ(Text(pod["securityContext"]["runAsNonRoot"]), "true");
    EXPECT_EQ(Text(pod["securityContext"]["runAsUser"]), "10001");
    EXPECT_EQ(Text(pod["securityContext"]["seccompProfile"]["type"]),
              "RuntimeDefault");
    EXPECT_EQ(Text(inner["allowPrivilegeEscalation"]), "false");
    EXPECT_EQ(Text(inner["readOnlyRootFilesystem"]), "true");
    EXPECT_EQ(Text(inner["capabilities"]["drop"][0]), "ALL");
    EXPECT_FALSE(inner["capabilities"]["add"]);
    EXPECT_FALSE(inner["privileged"]);
    for (const char* shared : {"hostNetwork", "hostPID", "hostIPC"}) {
      EXPECT_FALSE(pod[shared]) << Name(workload);
    }
    EXPECT_EQ(Text(pod["automountServiceAccountToken"]), "false");
    const std::string account = Text(pod["serviceAccountName"]);
    EXPECT_TRUE(Named("ServiceAccount", account).IsMap()) << account;
  }
}

TEST_P(ManifestsTest, Point4ResourcesAreRequestedAndBounded) {
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node resources = Container(workload)["resources"];
    for (const char* what : {"cpu", "memory", "ephemeral-storage"}) {
      EXPECT_NE(Text(resources["requests"][what]), "") << Name(workload);
    }
    EXPECT_NE(Text(resources["limits"]["memory"]), "") << Name(workload);
    std::set<std::string> mounted;
    for (const YAML::Node& mount : Container(workload)["volumeMounts"]) {
      mounted.insert(Text(mount["mountPath"]));
    }
    EXPECT_THAT(mounted, ::testing::IsSupersetOf({"/tmp", "/dev/shm"}));
    for (const YAML::Node& volume : PodSpec(workload)["volumes"]) {
      if (volume["emptyDir"]) {
        EXPECT_NE(Text(volume["emptyDir"]["sizeLimit"]), "") << Name(workload);
      }
      EXPECT_FALSE(volume["hostPath"]) << Name(workload);
    }
  }
}

TEST_P(ManifestsTest, Point5DisruptionsAreBudgetedAndReplicasSpread) {
  const Manifests budgets = OfKind(all_, "PodDisruptionBudget");
  for (const YAML::Node& workload : Workloads(all_)) {
    int own = 0;
    for (const YAML::Node& budget : budgets) {
      own +=
          Selects(budget["spec"]["selector"]["matchLabels"], Labels(workload))
              ? 1
              : 0;
    }
    EXPECT_EQ(own, 1) << Name(workload) << " has " << own << " budgets";
    EXPECT_TRUE(PodSpec(workload)["topologySpreadConstraints"] ||
                PodSpec(workload)["affinity"]["podAntiAffinity"])
        << Name(workload);
  }
}

TEST_P(ManifestsTest, Point6OnlyTheEdgesOfTheFlowAreOpen) {
  const YAML::Node deny = Named("NetworkPolicy", "aha-default-deny");
  ASSERT_TRUE(deny.IsMap());
  EXPECT_EQ(Selected(deny["spec"]["podSelector"]["matchLabels"]), 4);
  EXPECT_EQ(deny["spec"]["policyTypes"].size(), 2u);
  EXPECT_FALSE(deny["spec"]["ingress"]);
  EXPECT_FALSE(deny["spec"]["egress"]);
  EXPECT_TRUE(Named("NetworkPolicy", "aha-dns").IsMap());
  const auto peers = [&](const char* policy, const char* way,
                         const char* direction) {
    std::set<std::string> roles;
    const YAML::Node document = Named("NetworkPolicy", policy);
    for (const YAML::Node& rule : document["spec"][way]) {
      for (const YAML::Node& peer : rule[direction]) {
        const YAML::Node labels = peer["podSelector"]["matchLabels"];
        EXPECT_EQ(Selected(labels), 1) << policy;
        roles.insert(Text(labels["app.kubernetes.io/component"]));
      }
    }
    return roles;
  };
  using Roles = std::set<std::string>;
  EXPECT_EQ(peers("aha-coordinator", "ingress", "from"),
            (Roles{"actor", "learner", "reward"}));
  EXPECT_EQ(peers("aha-actor", "egress", "to"),
            (Roles{"coordinator", "reward"}));
  EXPECT_EQ(peers("aha-reward", "ingress", "from"), (Roles{"actor"}));
  EXPECT_EQ(peers("aha-reward", "egress", "to"),
            (Roles{"coordinator", "learner"}));
  EXPECT_EQ(peers("aha-learner", "ingress", "from"),
            (Roles{"learner", "reward"}));
  EXPECT_EQ(peers("aha-learner", "egress", "to"),
            (Roles{"coordinator", "learner"}));
}

TEST_P(ManifestsTest, Point7NoSecretIsInTheEnvironment) {
  for (const YAML::Node& workload : Workloads(all_)) {
    for (const YAML::Node& variable : Container(workload)["env"]) {
      EXPECT_FALSE(variable["valueFrom"]["secretKeyRef"]) << Name(workload);
    }
    for (const YAML::Node& from : Container(workload)["envFrom"]) {
      EXPECT_FALSE(from["secretRef"]) << Name(workload);
    }
  }
}

TEST_P(ManifestsTest, Point8CoordinatorAndLearnersKeepTheRunOnAClaim) {
  for (const YAML::Node& workload : Workloads(all_)) {
    bool kept = false;
    for (const YAML::Node& volume : PodSpec(workload)["volumes"]) {
      if (!volume["persistentVolumeClaim"]) continue;
      const std::string claim =
          Text(volume["persistentVolumeClaim"]["claimName"]);
      EXPECT_TRUE(Named("PersistentVolumeClaim", claim).IsMap()) << claim;
      kept |= claim == "aha-run";
    }
    EXPECT_EQ(kept,
              Role(workload) == "coordinator" || Role(workload) == "learner")
        << Name(workload);
  }
}

TEST_P(ManifestsTest, Point9EveryPodIsScrapedWhereItServesMetrics) {
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node notes =
        workload["spec"]["template"]["metadata"]["annotations"];
    EXPECT_EQ(Text(notes["prometheus.io/scrape"]), "true") << Name(workload);
    EXPECT_THAT(Text(Settings()["AHA_METRICS_LISTEN"]),
                ::testing::EndsWith(
                    absl::StrCat(":", Text(notes["prometheus.io/port"]))));
  }
}

TEST_P(ManifestsTest, Point10ActorsScaleFreelyAndRanksFitTheJob) {
  for (const YAML::Node& map : OfKind(all_, "ConfigMap")) {
    if (!absl::StartsWith(Name(map), "aha-job")) continue;
    const auto job = ParseJob(Text(map["data"]["job.yaml"]), "job.yaml");
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(Named("StatefulSet", "aha-learner")["spec"]["replicas"].as<int>(),
              job->cluster().learners());
  }
  EXPECT_EQ(
      Named("StatefulSet", "aha-coordinator")["spec"]["replicas"].as<int>(), 1);
  EXPECT_TRUE(Named("Deployment", "aha-actor").IsMap());
}

TEST_P(ManifestsTest, Point11LabelsAreTheRecommendedOnesAndImagesArePinned) {
  for (const YAML::Node& document : all_) {
    ASSERT_TRUE(document["metadata"]["labels"]) << Name(document);
    for (const char* label : {"name", "instance", "version", "part-of"}) {
      EXPECT_NE(Text(document["metadata"]["labels"]
                             [absl::StrCat("app.kubernetes.io/", label)]),
                "")
          << Name(document) << " lacks " << label;
    }
  }
  for (const YAML::Node& workload : Workloads(all_)) {
    const std::string image = Text(Container(workload)["image"]);
    EXPECT_THAT(image, HasSubstr(":")) << image;
    EXPECT_FALSE(absl::EndsWith(image, ":latest")) << image;
    // A changed job or setting has another name, so the pods are replaced.
    bool job = false;
    for (const YAML::Node& volume : PodSpec(workload)["volumes"]) {
      if (!volume["configMap"]) continue;
      const std::string map = Text(volume["configMap"]["name"]);
      job |=
          absl::StartsWith(map, "aha-job-") && Named("ConfigMap", map).IsMap();
    }
    EXPECT_TRUE(job) << Name(workload);
  }
}

bool HasPort(const YAML::Node& container, const YAML::Node& service_port) {
  for (const YAML::Node& own : container["ports"]) {
    if (Text(own["name"]) == Text(service_port["targetPort"]) &&
        Text(own["containerPort"]) == Text(service_port["port"])) {
      return true;
    }
  }
  return false;
}

TEST_P(ManifestsTest, Point12SelectorsMatchTheirPodsAndPeersAreServices) {
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node match = workload["spec"]["selector"]["matchLabels"];
    EXPECT_TRUE(Selects(match, Labels(workload))) << Name(workload);
    EXPECT_EQ(Selected(match), 1) << Name(workload);
  }
  for (const YAML::Node& service : OfKind(all_, "Service")) {
    ASSERT_EQ(Selected(service["spec"]["selector"]), 1) << Name(service);
    for (const YAML::Node& workload : Workloads(all_)) {
      if (!Selects(service["spec"]["selector"], Labels(workload))) continue;
      for (const YAML::Node& port : service["spec"]["ports"]) {
        EXPECT_TRUE(HasPort(Container(workload), port))
            << Name(service) << " " << Text(port["name"]);
      }
    }
  }
  const std::string coordinator = Text(Settings()["AHA_COORDINATOR"]);
  const std::string host = coordinator.substr(0, coordinator.find(':'));
  EXPECT_TRUE(Named("Service", host).IsMap()) << coordinator;
  EXPECT_THAT(Text(Settings()["AHA_LISTEN"]),
              ::testing::EndsWith(coordinator.substr(host.size())));
}

TEST_P(ManifestsTest, ArgumentsAndVariablesAreThoseOfThePrograms) {
  std::set<std::string> understood;
  for (const YAML::Node& workload : Workloads(all_)) {
    const YAML::Node command = Container(workload)["command"];
    const std::string program = Text(command[0]);
    EXPECT_EQ(program, "aha-" + Role(workload));
    const CommandResult help = RunCommand({Binary(program), "--help"});
    ASSERT_EQ(help.exit_code, 0) << program;
    for (size_t i = 1; i < command.size(); ++i) {
      const std::string flag = Text(command[i]);
      EXPECT_THAT(help.output, HasSubstr(flag.substr(0, flag.find('='))));
    }
    for (const YAML::Node& variable : Container(workload)["env"]) {
      EXPECT_THAT(help.output, HasSubstr(Text(variable["name"]))) << program;
    }
    for (const auto& setting : Settings()) {
      const std::string name = Text(setting.first);
      if (absl::StrContains(help.output, name)) understood.insert(name);
    }
  }
  for (const auto& setting : Settings()) {
    EXPECT_EQ(understood.count(Text(setting.first)), 1u)
        << Text(setting.first) << " is understood by no program";
  }
}

INSTANTIATE_TEST_SUITE_P(Overlays, ManifestsTest,
                         ::testing::Values("local", "local-tls", "gpu"),
                         [](const auto& info) {
                           return absl::StrReplaceAll(info.param, {{"-", "_"}});
                         });

class TlsManifestsTest : public ManifestsTest {};

TEST_P(TlsManifestsTest, EachRoleHasItsOwnCertificateAndNoPlainText) {
  EXPECT_EQ(Text(Settings()["AHA_INSECURE"]), "false");
  const TempDir certificates;
  const auto secrets = MakeSecrets(certificates.path() + "/made");
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  for (const YAML::Node& workload : Workloads(all_)) {
    std::string name;
    for (const YAML::Node& volume : PodSpec(workload)["volumes"]) {
      if (!volume["secret"]) continue;
      EXPECT_EQ(name, "") << "a second Secret in " << Name(workload);
      name = Text(volume["secret"]["secretName"]);
      EXPECT_EQ(volume["secret"]["defaultMode"].as<int>(), 0440);
    }
    EXPECT_EQ(name, "aha-tls-" + Role(workload));
    YAML::Node secret;
    for (const YAML::Node& made : *secrets) {
      if (Name(made) == name) secret = made;
    }
    ASSERT_TRUE(secret.IsMap()) << name << " is not made by make-secrets";
    std::string at;
    for (const YAML::Node& mount : Container(workload)["volumeMounts"]) {
      if (Text(mount["name"]) == "tls") {
        at = Text(mount["mountPath"]);
        EXPECT_EQ(Text(mount["readOnly"]), "true");
      }
    }
    for (const char* file : {"AHA_TLS_CERT", "AHA_TLS_KEY", "AHA_TLS_CA"}) {
      std::string key = Text(Settings()[file]);
      ASSERT_TRUE(absl::StartsWith(key, at + "/")) << file << ": " << key;
      EXPECT_TRUE(secret["data"][key.substr(at.size() + 1)]) << key;
    }
  }
  // The certificates that the document makes contain the name that pods expect.
  const CommandResult names =
      RunCommand({"openssl", "x509", "-noout", "-ext", "subjectAltName", "-in",
                  certificates.path() + "/made/reward.pem"});
  EXPECT_THAT(names.output,
              HasSubstr(absl::StrCat(
                  "DNS:", Text(Settings()["AHA_TLS_SERVER_NAME"]), ",")));
  EXPECT_THAT(names.output, HasSubstr("URI:urn:aha:role:reward"));
}

INSTANTIATE_TEST_SUITE_P(Overlays, TlsManifestsTest,
                         ::testing::Values("local-tls"));

TEST(BaseManifestsTest, TheBaseRunsTheTinyRecipe) {
  const std::string recipe = ReadFileOrEmpty(Recipe("tiny.yaml"));
  EXPECT_EQ(ReadFileOrEmpty(AHA_SOURCE_DIR "/deploy/kubernetes/base/job.yaml"),
            recipe);
  EXPECT_NE(recipe, "");
}

}  // namespace
}  // namespace aha::testing
