// What `kubectl kustomize` makes of an overlay, and what a test asks of it.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace aha::testing {

using Manifests = std::vector<YAML::Node>;

// The documents of deploy/kubernetes/overlays/<overlay>.
absl::StatusOr<Manifests> Render(const std::string& overlay);

// The Secrets of components/tls, made as docs/kubernetes.md says; `directory`
// gets the certificates.
absl::StatusOr<Manifests> MakeSecrets(const std::string& directory);

Manifests OfKind(const Manifests& all, const std::string& kind);
// "" if a kubectl that can render is here, else what is missing: Debian 12's
// own (1.20) is too old for these files.
std::string WhyNoKubectl();

// Deployments and StatefulSets.
Manifests Workloads(const Manifests& all);
std::string Name(const YAML::Node& document);
// "actor": the component that a workload's pods are of.
std::string Role(const YAML::Node& workload);
YAML::Node PodSpec(const YAML::Node& workload);
YAML::Node Container(const YAML::Node& workload);  // Its only one.

// Whether `selector` (matchLabels) chooses pods with `labels`.
bool Selects(const YAML::Node& match_labels, const YAML::Node& labels);

std::string ToText(const Manifests& documents);

}  // namespace aha::testing
