#include "tests/deploy/manifests.h"

#include "absl/strings/str_cat.h"
#include "tests/integration/local_cluster.h"

namespace aha::testing {
namespace {

// A script that fetches a kubectl if there is none.
constexpr char kKubectl[] = AHA_SOURCE_DIR "/tests/deploy/kubectl";
constexpr absl::Duration kFetch = absl::Minutes(4);

Manifests Parse(const std::string& text) {
  Manifests documents;
  for (const YAML::Node& document : YAML::LoadAll(text)) {
    if (document.IsMap()) documents.push_back(document);
  }
  return documents;
}

}  // namespace

absl::StatusOr<Manifests> Render(const std::string& overlay) {
  const CommandResult ran = RunCommand(
      {kKubectl, "kustomize",
       absl::StrCat(AHA_SOURCE_DIR, "/deploy/kubernetes/overlays/", overlay)},
      kFetch);
  if (ran.exit_code != 0) {
    return absl::InternalError(absl::StrCat("kubectl kustomize, exit ",
                                            ran.exit_code, ": ", ran.output));
  }
  return Parse(ran.output);
}

absl::StatusOr<Manifests> MakeSecrets(const std::string& directory) {
  CommandResult ran =
      RunCommand({SourceFile("deploy/make-certificates"), directory, "aha"});
  if (ran.exit_code == 0) {
    ran = RunCommand({SourceFile("deploy/kubernetes/make-secrets"), directory});
  }
  if (ran.exit_code == 0) return Parse(ran.output);
  return absl::InternalError(
      absl::StrCat("exit ", ran.exit_code, ": ", ran.output));
}

std::string WhyNoKubectl() {
  const CommandResult ran =
      RunCommand({kKubectl, "version", "--client"}, kFetch);
  return ran.exit_code == 0 ? "" : ran.output;
}

Manifests OfKind(const Manifests& all, const std::string& kind) {
  Manifests some;
  for (const YAML::Node& document : all) {
    if (document["kind"].as<std::string>() == kind) some.push_back(document);
  }
  return some;
}

Manifests Workloads(const Manifests& all) {
  Manifests workloads = OfKind(all, "StatefulSet");
  for (const YAML::Node& document : OfKind(all, "Deployment")) {
    workloads.push_back(document);
  }
  return workloads;
}

std::string Name(const YAML::Node& document) {
  return document["metadata"]["name"].as<std::string>();
}

std::string Role(const YAML::Node& workload) {
  return workload["spec"]["template"]["metadata"]["labels"]
                 ["app.kubernetes.io/component"]
                     .as<std::string>();
}

YAML::Node PodSpec(const YAML::Node& workload) {
  return workload["spec"]["template"]["spec"];
}

YAML::Node Container(const YAML::Node& workload) {
  return PodSpec(workload)["containers"][0];
}

bool Selects(const YAML::Node& match_labels, const YAML::Node& labels) {
  for (const auto& wanted : match_labels) {
    const YAML::Node label = labels[wanted.first.as<std::string>()];
    if (!label || label.as<std::string>() != wanted.second.as<std::string>()) {
      return false;
    }
  }
  return true;
}

std::string ToText(const Manifests& documents) {
  std::string text;
  for (const YAML::Node& document : documents) {
    absl::StrAppend(&text, "---\n", YAML::Dump(document), "\n");
  }
  return text;
}

}  // namespace aha::testing
