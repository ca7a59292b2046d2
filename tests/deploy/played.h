// Runs an overlay as real containers with `podman kube play`: one pod for each
// replica, a network of its own, and a volume that coordinator and learner
// share. What podman does not support is done here as a cluster would do it;
// kPlayLimits lists it. Nothing else is changed.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/deploy/manifests.h"
#include "tests/deploy/podman.h"

namespace aha::testing {

// Lists what of the manifests is not executed.
extern const char kPlayLimits[];

struct Pod {
  std::string role;
  std::string name;  // Unique on this machine; podman's DNS resolves it.
  YAML::Node document;
};

// The pods of `rendered`. The destructor removes them.
class Played {
 public:
  // `secrets` are the cluster's documents of kind Secret.
  Played(const Manifests& rendered, const std::string& image,
         const Manifests& secrets = {});
  ~Played();
  Played(const Played&) = delete;
  Played& operator=(const Played&) = delete;

  // Returns "" or the failure.
  std::string Start();

  const std::vector<Pod>& pods() const { return pods_; }
  std::string Container(const Pod& pod) const;
  // Returns a file of the run directory; "" if it does not exist.
  std::string File(const std::string& name) const;
  int64_t Steps() const;
  std::string Logs() const;
  // Asks the question of the kubelet's probe.
  CommandResult Health(const Pod& pod, const std::string& service) const;
  bool AwaitEnd(absl::Duration limit) const;

 private:
  std::string MakeSecret(const YAML::Node& secret) const;

  const std::string prefix_;
  const std::string network_;
  const Manifests maps_;
  const Manifests secrets_;
  const TempDir directory_;
  std::string volume_;
  std::string run_directory_;  // Its path on this machine.
  std::vector<Pod> pods_;
};

}  // namespace aha::testing
