// Real containers for the tests of deploy/: an image on a debootstrap base, and
// pods with a network of their own.
//
// Everything made carries a name of this process, so several tests may run at
// once, and is removed by the destructor; the base and the image stay for the
// next run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/local_cluster.h"

namespace aha::testing {

// "" if containers can run here; else what the kernel (or the lack of root)
// forbids, for GTEST_SKIP.
std::string WhyNoContainers();

// podman and buildah with the settings that they need here.
CommandResult Podman(const std::string& arguments,
                     absl::Duration limit = absl::Minutes(2));
CommandResult Buildah(const std::string& arguments, absl::Duration limit);

// debian:bookworm-slim made by debootstrap, once.  Its name.
absl::StatusOr<std::string> BaseImage();

// deploy/Dockerfile on that base with the programs of this build tree.  Its
// name; layers that did not change are reused.
absl::StatusOr<std::string> AhaImage();

absl::StatusOr<int64_t> ImageBytes(const std::string& image);

}  // namespace aha::testing
