#include "coordinator/run_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/status.h"
#include "coordinator/job_status.h"
#include "run/reader.h"

namespace aha::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytesOfAnswer = 1 << 20;

// The state is UNSPECIFIED unless the summary has an end state.
v1::JobStatus StatusOf(const std::string& name, const std::string& directory) {
  v1::JobStatus status;
  status.set_name(name);
  status.set_run_directory(directory);
  const absl::StatusOr<run::Summary> summary =
      run::RunReader(directory).ReadSummary();
  if (!summary.ok()) return status;
  if (run::IsEndState(summary->state)) {
    status.set_state(ToWire(summary->state));
  }
  status.set_checksum(summary->checksum);
  status.set_weights_checksum(summary->weights_checksum);
  status.set_problem(summary->problem);
  status.set_not_reproducible(summary->not_reproducible);
  status.set_seconds(summary->seconds);
  return status;
}

// Whether `job` names a directory below `root`; a link could lead anywhere.
bool IsFolderBelow(const std::string& root, const std::string& job) {
  std::error_code error;
  fs::directory_iterator it(root, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->path().filename() == job &&
        it->symlink_status(ignored).type() == fs::file_type::directory) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> RunArchive::DirectoryOf(
    const std::string& job) const {
  if (job == job_ && !job.empty()) return directory_;
  if (job_.empty() && IsFolderBelow(directory_, job)) {
    return absl::StrCat(directory_, "/", job);
  }
  return absl::NotFoundError(
      absl::StrCat("no job \"", job, "\" here; `ahactl job list` shows all"));
}

std::vector<v1::JobStatus> RunArchive::List() const {
  if (!job_.empty()) return {StatusOf(job_, directory_)};
  std::vector<v1::JobStatus> jobs;
  for (const run::RunReader& run : run::FindRuns(directory_)) {
    const std::string name = fs::path(run.path()).filename().string();
    if (!IsFolderBelow(directory_, name)) continue;
    jobs.push_back(StatusOf(name, run.path()));
  }
  return jobs;
}

absl::StatusOr<std::vector<v1::RunFile>> RunArchive::Files(
    const std::string& job) const {
  AHA_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(job));
  std::vector<v1::RunFile> files;
  for (const std::string& name : run::RunReader(directory).PublicFiles()) {
    std::error_code gone;
    const uintmax_t bytes = fs::file_size(directory + "/" + name, gone);
    if (gone) continue;
    v1::RunFile& file = files.emplace_back();
    file.set_name(name);
    file.set_bytes(bytes);
  }
  return files;
}

absl::StatusOr<std::string> RunArchive::Read(
    const v1::ReadRunFileRequest& request) const {
  AHA_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(request.job()));
  const std::vector<std::string> names =
      run::RunReader(directory).PublicFiles();
  if (std::find(names.begin(), names.end(), request.name()) == names.end()) {
    return absl::NotFoundError(absl::StrCat("job ", request.job(),
                                            " has no file \"", request.name(),
                                            "\" that is shown"));
  }
  if (request.offset() > INT64_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset: must be below 2^63, got ", request.offset()));
  }
  const std::string path = absl::StrCat(directory, "/", request.name());
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return FileError("cannot open", path, errno);
  const uint64_t wanted =
      request.max_bytes() == 0
          ? kMaxBytesOfAnswer
          : std::min(request.max_bytes(), kMaxBytesOfAnswer);
  std::string data(wanted, '\0');
  const ssize_t got =
      pread(fd, data.data(), data.size(), static_cast<off_t>(request.offset()));
  const int error = errno;
  close(fd);
  if (got < 0) return FileError("cannot read", path, error);
  data.resize(static_cast<size_t>(got));
  return data;
}

}  // namespace aha::coordinator
