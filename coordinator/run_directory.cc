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
#include "base/file_io.h"
#include "base/status.h"
#include "coordinator/log_status.h"

namespace aha::coordinator {
namespace {

constexpr char kLockFile[] = "coordinator.lock";

// UNAVAILABLE where trying again may help.
absl::Status Refusal(const std::string& what, int error) {
  const std::string text =
      absl::StrCat(what, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ESTALE:
      return absl::UnavailableError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::Open(
    const std::string& path, absl::string_view flag) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return Refusal(absl::StrCat(flag, ": cannot make ", path), error.value());
  }
  const std::string absolute = std::filesystem::canonical(path, error).string();
  if (error) {
    return Refusal(absl::StrCat(flag, ": ", path), error.value());
  }
  const std::string lock = absl::StrCat(absolute, "/", kLockFile);
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return Refusal(absl::StrCat(flag, ": cannot write in ", absolute), errno);
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
  return WriteFileDurably(File(name), text);
}

absl::Status RunDirectory::AppendLine(absl::string_view name,
                                      absl::string_view line) {
  return aha::AppendLine(File(name), line);
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
