// Runs real containers for the tests of deploy/: an image on a debootstrap
// base, and pods with a network of their own.
//
// All names contain an id of this process, so several tests may run at the same
// time, and the destructor removes what was made. The base and the image stay
// for the next run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/local_cluster.h"

namespace aha::testing {

// Returns "" if containers can run here; else what the kernel (or the lack of
// root) forbids, for GTEST_SKIP.
std::string WhyNoContainers();

// Run podman and buildah with the settings that they need here.
CommandResult Podman(const std::string& arguments,
                     absl::Duration limit = absl::Minutes(2));
CommandResult Buildah(const std::string& arguments, absl::Duration limit);

// Makes debian:bookworm-slim with debootstrap, once, and returns its name.
absl::StatusOr<std::string> BaseImage();

// Builds deploy/Dockerfile on that base with the programs of this build tree
// and returns the image's name. Layers that did not change are reused.
absl::StatusOr<std::string> AhaImage();

absl::StatusOr<int64_t> ImageBytes(const std::string& image);

}  // namespace aha::testing
