#include "coordinator/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "coordinator/log_status.h"

namespace aha::coordinator {
namespace {

constexpr char kLockFile[] = "coordinator.lock";

absl::Status FromErrno(const std::string& what) {
  return absl::UnavailableError(
      absl::StrCat(what, ": ", std::generic_category().message(errno)));
}

absl::Status WriteAll(int fd, absl::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FromErrno(absl::StrCat("cannot write ", path));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

// Opens, writes, optionally syncs.
absl::Status Write(const std::string& path, int flags, absl::string_view text,
                   bool sync) {
  const int fd =
      open(path.c_str(), flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return FromErrno(absl::StrCat("cannot open ", path));
  absl::Status status = WriteAll(fd, text, path);
  if (status.ok() && sync && fsync(fd) != 0) {
    status = FromErrno(absl::StrCat("cannot sync ", path));
  }
  close(fd);
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::Open(
    const std::string& path, absl::string_view flag) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat(flag, ": cannot make ", path, ": ", error.message()));
  }
  const std::string absolute = std::filesystem::canonical(path, error).string();
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat(flag, ": ", path, ": ", error.message()));
  }
  const std::string lock = absl::StrCat(absolute, "/", kLockFile);
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(flag, ": cannot write in ", absolute, ": ",
                     std::generic_category().message(errno)));
  }
  // The kernel drops the lock with the process, however that ends.
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat(flag, ": another coordinator works in ", absolute));
  }
  return std::unique_ptr<RunDirectory>(new RunDirectory(absolute, fd));
}

RunDirectory::~RunDirectory() { close(lock_fd_); }

std::string RunDirectory::File(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

absl::Status RunDirectory::WriteWhole(absl::string_view name,
                                      absl::string_view text) {
  const std::string path = File(name);
  const std::string temporary = absl::StrCat(path, ".tmp");
  AHA_RETURN_IF_ERROR(Write(temporary, O_TRUNC, text, /*sync=*/true));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return FromErrno(absl::StrCat("cannot rename ", temporary));
  }
  return absl::OkStatus();
}

absl::Status RunDirectory::AppendLine(absl::string_view name,
                                      absl::string_view line) {
  return Write(File(name), O_APPEND, absl::StrCat(line, "\n"),
               /*sync=*/false);
}

void RunDirectory::Remove(absl::string_view name) {
  unlink(File(name).c_str());
}

void RunDirectory::Event(absl::string_view event, absl::string_view text) {
  const nlohmann::json line = {
      {"time", absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())},
      {"event", std::string(event)},
      {"text", std::string(text)}};
  const absl::Status status = AppendLine(
      "events.jsonl",
      line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  WarnIfError(status);
}

}  // namespace aha::coordinator
