// Renders an overlay with `kubectl kustomize` and reads the result.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace aha::testing {

using Manifests = std::vector<YAML::Node>;

// Returns the documents of deploy/kubernetes/overlays/<overlay>.
absl::StatusOr<Manifests> Render(const std::string& overlay);

// Makes the Secrets of components/tls as docs/kubernetes.md says. The
// certificates are written into `directory`.
absl::StatusOr<Manifests> MakeSecrets(const std::string& directory);

Manifests OfKind(const Manifests& all, const std::string& kind);
// Returns "" if a kubectl that can render is installed, else what is missing.
// Debian 12's own (1.20) is too old for these files.
std::string WhyNoKubectl();

// Returns the Deployments and StatefulSets.
Manifests Workloads(const Manifests& all);
std::string Name(const YAML::Node& document);
// Returns the component of a workload's pods, such as "actor".
std::string Role(const YAML::Node& workload);
YAML::Node PodSpec(const YAML::Node& workload);
// Returns its only container.
YAML::Node Container(const YAML::Node& workload);

// Returns whether `selector` (matchLabels) chooses pods with `labels`.
bool Selects(const YAML::Node& match_labels, const YAML::Node& labels);

std::string ToText(const Manifests& documents);

}  // namespace aha::testing
