// Implements played.h: each workload becomes as many `podman kube play` pods as
// it has replicas, after a few changes that Resolve and Adapt make.
#include "tests/deploy/played.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace aha::testing {

const char kPlayLimits[] =
    "Rendered, but not executed by podman 4.3: Services (their names are given "
    "as network aliases), NetworkPolicies, PodDisruptionBudgets, "
    "ServiceAccounts, probes (asked by this test instead), spreading, "
    "preStop; StatefulSets and Deployments are played as the pods that their "
    "controllers would make, Secrets are directories of this machine.\n";

namespace {

// The image's user and the pods' fsGroup.
constexpr uid_t kUser = 10001;

int count = 0;  // Counts objects of Played, for their names.

std::string Scalar(const YAML::Node& node) { return node.as<std::string>(); }

// Sets the variables that the kubelet would fill in from the pod's own fields.
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

// Replaces a volume of a pod by one that this machine can provide. Names are
// unique on the machine, and Secrets are in `directory`.
void Adapt(YAML::Node volume, const std::string& pod, const std::string& prefix,
           const std::string& directory) {
  // Podman 4.3 would turn an emptyDir into a volume that all pods share by
  // name.
  volume["name"] = absl::StrCat(pod, "-", Scalar(volume["name"]));
  if (YAML::Node claim = volume["persistentVolumeClaim"]) {
    claim["claimName"] = prefix + Scalar(claim["claimName"]);
  }
  // Podman 4.3 would mount the content of a Secret without decoding it.
  if (const YAML::Node secret = volume["secret"]) {
    const std::string path =
        absl::StrCat(directory, "/", Scalar(secret["secretName"]));
    volume.remove("secret");
    volume["hostPath"]["path"] = path;
    volume["hostPath"]["type"] = "Directory";
  }
}

// Returns the pods of `workload`, with names that start with `prefix`.
std::vector<Pod> AsPods(const YAML::Node& workload, const std::string& prefix,
                        const std::string& directory) {
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
    for (YAML::Node volume : spec["volumes"]) {
      Adapt(volume, pod.name, prefix, directory);
    }
    for (YAML::Node mount : spec["containers"][0]["volumeMounts"]) {
      mount["name"] = absl::StrCat(pod.name, "-", Scalar(mount["name"]));
    }
    // Podman 4.3 does not support gRPC probes, and it publishes every port on
    // the host.
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

}  // namespace

Played::Played(const Manifests& rendered, const std::string& image,
               const Manifests& secrets)
    : prefix_(absl::StrCat("t", getpid(), "n", ++count, "-")),
      network_(prefix_ + "net"),
      maps_(OfKind(rendered, "ConfigMap")),
      secrets_(secrets) {
  for (const YAML::Node& workload : Workloads(rendered)) {
    for (Pod& pod : AsPods(workload, prefix_, directory_.path())) {
      pod.document["spec"]["containers"][0]["image"] = image;
      pods_.push_back(pod);
    }
  }
  for (const YAML::Node& claim : OfKind(rendered, "PersistentVolumeClaim")) {
    volume_ = prefix_ + Name(claim);
  }
}

Played::~Played() {
  for (const Pod& pod : pods_) Podman("pod rm -f -t 0 " + pod.name);
  Podman("volume rm -f " + volume_);
  // Podman makes a volume of each of these; another test may still use it.
  for (const YAML::Node& map : maps_) Podman("volume rm " + Name(map));
  Podman("network rm -f " + network_);
}

// Only the pods' group may read it, as with defaultMode and fsGroup.
std::string Played::MakeSecret(const YAML::Node& secret) const {
  const std::string path = absl::StrCat(directory_.path(), "/", Name(secret));
  if (mkdir(path.c_str(), 0750) != 0 || chown(path.c_str(), 0, kUser) != 0) {
    return "cannot make " + path;
  }
  for (const auto& entry : secret["data"]) {
    const std::string file = absl::StrCat(path, "/", Scalar(entry.first));
    std::string bytes;
    if (!absl::Base64Unescape(Scalar(entry.second), &bytes)) {
      return file + " is not base64";
    }
    std::ofstream(file) << bytes;
    if (chmod(file.c_str(), 0440) != 0 || chown(file.c_str(), 0, kUser) != 0) {
      return "cannot hand over " + file;
    }
  }
  return "";
}

std::string Played::Start() {
  for (const YAML::Node& secret : secrets_) {
    if (std::string why = MakeSecret(secret); !why.empty()) return why;
  }
  CommandResult ran = Podman("network create " + network_);
  if (ran.exit_code != 0) return ran.output;
  // fsGroup would set the same owner.
  ran = Podman("volume create -o o=uid=10001,gid=10001 " + volume_);
  if (ran.exit_code != 0) return ran.output;
  ran = Podman("volume inspect --format '{{.Mountpoint}}' " + volume_);
  if (ran.exit_code != 0) return ran.output;
  run_directory_ =
      absl::StrCat(absl::StripAsciiWhitespace(ran.output), "/runs/job/");
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

std::string Played::Container(const Pod& pod) const {
  return absl::StrCat(pod.name, "-", pod.role);
}

std::string Played::File(const std::string& name) const {
  return ReadFileOrEmpty(run_directory_ + name);
}

int64_t Played::Steps() const {
  const std::string lines = File("metrics.jsonl");
  return std::count(lines.begin(), lines.end(), '\n');
}

std::string Played::Logs() const {
  std::string all;
  for (const Pod& pod : pods_) {
    absl::StrAppend(&all, "== ", pod.name, "\n",
                    Podman("logs --tail 6 " + Container(pod)).output);
  }
  return all;
}

CommandResult Played::Health(const Pod& pod, const std::string& service) const {
  return Podman(absl::StrCat("exec ", Container(pod),
                             " ahactl health --service ", service));
}

bool Played::AwaitEnd(absl::Duration limit) const {
  return Eventually([this] { return !File("summary.json").empty(); }, limit);
}

}  // namespace aha::testing
