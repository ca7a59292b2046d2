// Implements podman.h with podman and buildah, which run in scripts with a time
// limit and keep their data in a store of this build tree.
#include "tests/deploy/podman.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status.h"

namespace aha::testing {
namespace {

constexpr char kBase[] = "localhost/aha-test-base:bookworm";
constexpr char kImage[] = "localhost/aha-test:latest";
constexpr absl::Duration kProbe = absl::Minutes(3);
constexpr int kTooLate = -1000;
constexpr char kStripped[] =
    "var/cache/apt/archives/*.deb var/lib/apt/lists/* usr/share/doc/* "
    "usr/share/man/* usr/share/locale/*";

// Runs a script. If this is a real-time process, it may not enter a container's
// cgroup, so the script runs without that priority. The exit code is kTooLate
// if the limit passed; then what the script started was ended too.
CommandResult Bash(const std::string& script, absl::Duration limit) {
  CommandResult ran = RunCommand(
      {"timeout", "--kill-after=10", absl::StrCat(absl::ToInt64Seconds(limit)),
       "bash", "-c", absl::StrCat("chrt --other --pid 0 $$\n", script)},
      limit + absl::Minutes(1));
  // timeout exits with 124, or it was killed together with its child.
  if (ran.exit_code == 124 || ran.exit_code == -SIGKILL) {
    ran.exit_code = kTooLate;
  }
  return ran;
}

// The images and containers of this build tree, separate from those of the
// machine. What a killed test leaves broken there harms nothing else and
// disappears with the build tree.
struct Store {
  std::string root;  // The data that stays.
  // The data until the next start of the machine; its path must be short.
  std::string run;
};

const Store& OwnStore() {
  static const Store store = [] {
    Store made;
    made.root = std::filesystem::weakly_canonical(AHA_BIN_DIR "/../containers");
    made.run = absl::StrCat(
        "/run/aha-test/", absl::Hex(Hash64(made.root.data(), made.root.size()),
                                    absl::kZeroPad16));
    std::filesystem::create_directories(made.root);
    std::filesystem::create_directories(made.run);
    // The defaults fail under cgroup v1 and on machines that forbid raising the
    // number of open files.
    std::ofstream(made.root + "/containers.conf")
        << "[containers]\ndefault_ulimits=[\"nofile=20000:20000\","
           "\"nproc=20000:20000\"]\n"
        << "[engine]\nruntime=\"runc\"\ncgroup_manager=\"cgroupfs\"\n"
           "events_logger=\"file\"\nlock_type=\"file\"\n"
        << "static_dir=\"" << made.root << "/libpod\"\n"
        << "volume_path=\"" << made.root << "/volumes\"\n"
        << "tmp_dir=\"" << made.run << "/libpod\"\n";
    std::ofstream(made.root + "/storage.conf")
        << "[storage]\ndriver=\"overlay\"\n"
        << "graphroot=\"" << made.root << "/storage\"\n"
        << "runroot=\"" << made.run << "\"\n";
    return made;
  }();
  return store;
}

std::string Settings() {
  return absl::StrCat("export CONTAINERS_CONF=", OwnStore().root,
                      "/containers.conf CONTAINERS_STORAGE_CONF=",
                      OwnStore().root, "/storage.conf\n");
}

// Allows one builder at a time, also among processes.
class BuildLock {
 public:
  BuildLock()
      : fd_(open((OwnStore().root + "/lock").c_str(),
                 O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  ~BuildLock() { close(fd_); }
  BuildLock(const BuildLock&) = delete;
  BuildLock& operator=(const BuildLock&) = delete;

 private:
  const int fd_;
};

// Removes what killed tests left, including what a killed builder may have left
// in a state in which podman cannot read anything.
void Heal() {
  const BuildLock lock;
  Buildah("rm --all", absl::Minutes(1));  // No builder runs now.
  Bash(
      absl::StrCat(Settings(),
                   "of_the_dead() { while read -r name; do "
                   "pid=$(grep -oE '[0-9]+' <<<\"$name\" | head -n 1); "
                   "[ -e \"/proc/$pid\" ] || echo \"$name\"; done; }\n"
                   "podman pod ps --format '{{.Name}}' | grep -E '^t[0-9]+n' | "
                   "of_the_dead | xargs -r podman pod rm -f -t 0\n"
                   "podman network ls --format '{{.Name}}' | "
                   "grep -E '^(aha-test-probe-[0-9]+|t[0-9]+n.*-net)$' | "
                   "of_the_dead | xargs -r podman network rm -f\n"
                   "podman volume ls -q | grep -E '^t[0-9]+n' | "
                   "of_the_dead | xargs -r podman volume rm"),
      absl::Minutes(1));
  if (Podman("images --all").exit_code == 0) return;
  std::cerr << "the images of an earlier run are broken and are made again\n";
  Bash(absl::StrReplaceAll(
           "sed 's/^[^ ]* \\([^ ]*\\) .*/\\1/' /proc/mounts | "
           "grep -E '^(ROOT|RUN)/' | sort -r | xargs -r umount -l; "
           "rm -rf ROOT/storage ROOT/libpod ROOT/volumes RUN",
           {{"ROOT", OwnStore().root}, {"RUN", OwnStore().run}}),
       absl::Minutes(2));
  std::filesystem::create_directories(OwnStore().run);
}

absl::Status Check(const CommandResult& ran, const char* what) {
  if (ran.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(what, ": exit ", ran.exit_code, ": ", ran.output));
}

// Checks a command that needs Debian's mirror. Returns UNAVAILABLE if the
// mirror could not be reached or was too slow.
absl::Status CheckFetched(const CommandResult& ran, const char* what) {
  absl::Status status = Check(ran, what);
  if (ran.exit_code == kTooLate) {
    return absl::UnavailableError(
        absl::StrCat("too slow a network: ", status.message()));
  }
  for (const char* words :
       {"Failed getting release file", "Couldn't download", "cannot be reached",
        "Temporary failure resolving"}) {
    if (!status.ok() && absl::StrContains(ran.output, words)) {
      return absl::UnavailableError(status.message());
    }
  }
  return status;
}

// Runs the smallest possible container: a static program, which podman brings,
// under a read-only root and on a network of its own.
CommandResult RunProbe() {
  const std::string name = absl::StrCat("aha-test-probe-", getpid());
  const std::string script = absl::StrReplaceAll(
      R"sh(set -e
         trap 'podman network rm -f NAME; podman rmi -f NAME' EXIT
         tar -c -C "$(dirname "$(command -v catatonit)")" catatonit |
           podman import -q - localhost/NAME
         podman network create NAME
         podman run --rm --read-only --network NAME localhost/NAME \
           /catatonit --version)sh",
      {{"NAME", name}});
  return Bash(absl::StrCat(Settings(), script), kProbe);
}

}  // namespace

std::string WhyNoContainers() {
  if (geteuid() != 0) {
    return "containers are tested as root only (networks of their own)";
  }
  const CommandResult found =
      Bash("type debootstrap buildah podman runc catatonit", absl::Seconds(20));
  if (found.exit_code != 0) {
    return absl::StrCat("a program is not here; run deploy/install-packages ",
                        "--test: ", found.output);
  }
  Heal();
  const CommandResult ran = RunProbe();
  if (ran.exit_code == 0) return "";
  return absl::StrCat("this machine runs no container (exit ", ran.exit_code,
                      "; -1000: not within ", absl::FormatDuration(kProbe),
                      "): ", ran.output);
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
  AHA_RETURN_IF_ERROR(CheckFetched(
      Bash(absl::StrCat("debootstrap --variant=minbase bookworm ", root),
           absl::Minutes(10)),
      "debootstrap"));
  AHA_RETURN_IF_ERROR(Check(
      Bash(
          absl::StrCat(
              Settings(), "cd ", root, " && rm -rf ", kStripped,
              " && tar -c . | podman import --change 'ENV PATH=/usr/local/sbin:"
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
  // The build tree of the context need not be build/release.
  AHA_RETURN_IF_ERROR(Check(
      Bash(absl::StrCat(
               "cd ", context.path(),
               " && mkdir -p build/release deploy && cp -r " AHA_BIN_DIR
               " build/release/bin && cp -r " AHA_SOURCE_DIR
               "/recipes . && cp " AHA_SOURCE_DIR "/LICENSE " AHA_SOURCE_DIR
               "/NOTICE . && cp " AHA_SOURCE_DIR
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
  AHA_RETURN_IF_ERROR(
      CheckFetched(Buildah(arguments, absl::Minutes(10)), "buildah"));
  // This removes the image that had the name before.
  Podman("image prune -f --filter label=org.opencontainers.image.title=Aha");
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
