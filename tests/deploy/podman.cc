#include "tests/deploy/podman.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace aha::testing {
namespace {

constexpr char kBase[] = "localhost/aha-test-base:bookworm";
constexpr char kImage[] = "localhost/aha-test:latest";
constexpr char kStripped[] =
    "var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/doc/* "
    "usr/share/man/* usr/share/locale/*";

CommandResult Bash(const std::string& script, absl::Duration limit) {
  return RunCommand({"bash", "-c", script}, limit);
}

// The defaults fail under cgroup v1 and in machines that forbid to raise the
// number of open files.
std::string Settings() {
  static const std::string path = [] {
    static const TempDir directory;
    std::string file = directory.path() + "/containers.conf";
    std::ofstream(file) << "[containers]\n"
                           "default_ulimits=[\"nofile=20000:20000\","
                           "\"nproc=20000:20000\"]\n"
                           "[engine]\nruntime=\"runc\"\n"
                           "cgroup_manager=\"cgroupfs\"\n"
                           "events_logger=\"file\"\n";
    return file;
  }();
  return absl::StrCat("CONTAINERS_CONF=", path, " ");
}

// One builder at a time, also of other processes.
class BuildLock {
 public:
  BuildLock()
      : fd_(open(AHA_BIN_DIR "/../containers.lock",
                 O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  ~BuildLock() { close(fd_); }
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;

 private:
  const int fd_;
};

absl::Status Check(const CommandResult& ran, const char* what) {
  if (ran.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(what, ": exit ", ran.exit_code, ": ", ran.output));
}

}  // namespace

std::string WhyNoContainers() {
  if (geteuid() != 0) {
    return "containers are tested as root only (networks of their own)";
  }
  const CommandResult found =
      Bash("type debootstrap buildah podman runc", absl::Seconds(20));
  if (found.exit_code != 0) {
    return absl::StrCat("a program is not here; run deploy/install-packages ",
                        "--test: ", found.output);
  }
  const CommandResult ran = Bash(
      "unshare --mount --pid --net --uts --ipc --fork true && "
      "d=$(mktemp -d) && unshare --mount mount -t tmpfs none \"$d\" && "
      "rmdir \"$d\"",
      absl::Seconds(20));
  if (ran.exit_code == 0) return "";
  return absl::StrCat("the kernel forbids namespaces or mounts: ", ran.output);
}

CommandResult Podman(const std::string& arguments, absl::Duration limit) {
  return Bash(absl::StrCat(Settings(), "podman ", arguments), limit);
}

CommandResult Buildah(const std::string& arguments, absl::Duration limit) {
  return Bash(absl::StrCat(Settings(), "buildah ", arguments), limit);
}

absl::StatusOr<std::string> BaseImage() {
  const BuildLock lock;
  if (Podman(absl::StrCat("image exists ", kBase)).exit_code == 0) return kBase;
  const TempDir directory;
  const std::string root = directory.path() + "/root";
  AHA_RETURN_IF_ERROR(
      Check(Bash(absl::StrCat("debootstrap --variant=minbase bookworm ", root),
                 absl::Minutes(10)),
            "debootstrap"));
  AHA_RETURN_IF_ERROR(Check(
      Bash(absl::StrCat("cd ", root, " && rm -rf ", kStripped,
                        " && tar -c . | ", Settings(),
                        "podman import --change 'ENV PATH=/usr/local/sbin:"
                        "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "
                        "--change 'CMD [\"/bin/bash\"]' - ",
                        kBase),
           absl::Minutes(5)),
      "podman import"));
  return kBase;
}

absl::StatusOr<std::string> AhaImage() {
  AHA_ASSIGN_OR_RETURN(const std::string base, BaseImage());
  const BuildLock lock;
  const TempDir context;
  // The context of a build tree that need not be build/release.
  AHA_RETURN_IF_ERROR(Check(
      Bash(
          absl::StrCat("cd ", context.path(),
                       " && mkdir -p build/release deploy && cp -r " AHA_BIN_DIR
                       " build/release/bin && cp -r " AHA_SOURCE_DIR
                       "/recipes . && cp " AHA_SOURCE_DIR
                       "/deploy/install-packages deploy/"),
          absl::Minutes(1)),
      "copying the context"));
  const std::string arguments = absl::StrCat(
      "bud --layers --format docker --isolation chroot --network host -q "
      "--build-arg BASE=",
      base,
      " --build-arg BINARIES=prebuilt --build-arg COMMIT=$(git "
      "-C " AHA_SOURCE_DIR
      " rev-parse --short=12 HEAD || echo unknown) -f " AHA_SOURCE_DIR
      "/deploy/Dockerfile -t ",
      kImage, " ", context.path());
  AHA_RETURN_IF_ERROR(Check(Buildah(arguments, absl::Minutes(10)), "buildah"));
  return kImage;
}

absl::StatusOr<int64_t> ImageBytes(const std::string& image) {
  const CommandResult ran =
      Podman(absl::StrCat("image inspect --format '{{.Size}}' ", image));
  AHA_RETURN_IF_ERROR(Check(ran, "podman image inspect"));
  int64_t bytes = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(ran.output), &bytes)) {
    return absl::InternalError(absl::StrCat("no size: ", ran.output));
  }
  return bytes;
}

}  // namespace aha::testing
