// An overlay as real containers: `podman kube play`, one pod a replica, a
// network of its own, the volume shared by coordinator and learner.  What
// podman does not know is done here as a cluster would do it, and said in
// kPlayLimits; nothing else is changed.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/deploy/manifests.h"
#include "tests/deploy/podman.h"

namespace aha::testing {

// What of the manifests is not executed.
extern const char kPlayLimits[];

struct Pod {
  std::string role;
  std::string name;  // Unique on this machine; resolved by podman's DNS.
  YAML::Node document;
};

// The pods of `rendered`; removed at the end.
class Played {
 public:
  // `secrets`: what the cluster holds, of kind Secret.
  Played(const Manifests& rendered, const std::string& image,
         const Manifests& secrets = {});
  ~Played();
  Played(const Played&) = delete;
  Played& operator=(const Played&) = delete;

  // "" or what went wrong.
  std::string Start();

  const std::vector<Pod>& pods() const { return pods_; }
  std::string Container(const Pod& pod) const;
  // A file of the run directory; "" if it is not there.
  std::string File(const std::string& name) const;
  int64_t Steps() const;
  std::string Logs() const;
  // The kubelet's question.
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
  std::string run_directory_;  // Where it lies on this machine.
  std::vector<Pod> pods_;
};

}  // namespace aha::testing
