#include "coordinator/run_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_io.h"
#include "base/json.h"
#include "base/status.h"
#include "coordinator/job_state.h"

namespace aha::coordinator {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMostBytesOfAnswer = 1 << 20;
constexpr uint64_t kLargestSummary = 16 << 20;

// Regular files of a directory; a link could lead anywhere.
std::vector<std::string> NamesIn(const std::string& directory, bool folders) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    const fs::file_type wanted =
        folders ? fs::file_type::directory : fs::file_type::regular;
    if (it->symlink_status(ignored).type() != wanted) continue;
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Names relative to the run directory.
std::vector<std::string> ShownFiles(const std::string& directory) {
  std::vector<std::string> shown;
  for (const std::string& name : NamesIn(directory, /*folders=*/false)) {
    for (const char* known :
         {"events.jsonl", "job.yaml", "metrics.jsonl", "summary.json"}) {
      if (name == known) shown.push_back(name);
    }
  }
  const auto add = [&](const std::string& folder, const char* suffix) {
    const std::string path = absl::StrCat(directory, "/", folder);
    for (const std::string& name : NamesIn(path, /*folders=*/false)) {
      if (absl::EndsWith(name, suffix)) {
        shown.push_back(absl::StrCat(folder, "/", name));
      }
    }
  };
  for (const std::string& name :
       NamesIn(directory + "/checkpoints", /*folders=*/true)) {
    add("checkpoints/" + name, "manifest.json");
  }
  add("datasets", ".jsonl");
  add("logs", ".log");
  add("rollouts", ".jsonl");
  return shown;
}

std::string TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : "";
}

double NumberOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

v1::JobState ParseState(const std::string& name) {
  for (const v1::JobState state :
       {v1::JOB_STATE_STOPPED, v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED}) {
    if (name == StateName(state)) return state;
  }
  return v1::JOB_STATE_UNSPECIFIED;
}

v1::JobStatus StatusOf(const std::string& name, const std::string& directory) {
  v1::JobStatus status;
  status.set_name(name);
  status.set_run_directory(directory);
  const absl::StatusOr<std::string> text =
      ReadWholeFile(directory + "/summary.json", kLargestSummary);
  if (!text.ok()) return status;
  const json summary = ParseJson<json>(*text).value_or(nullptr);
  if (!summary.is_object()) return status;
  status.set_state(ParseState(TextOf(summary, "state")));
  status.set_checksum(TextOf(summary, "checksum"));
  status.set_weights_checksum(TextOf(summary, "weights_checksum"));
  status.set_problem(TextOf(summary, "problem"));
  status.set_seconds(NumberOf(summary, "seconds"));
  return status;
}

}  // namespace

absl::StatusOr<std::string> RunArchive::DirectoryOf(
    const std::string& job) const {
  if (job == job_ && !job.empty()) return directory_;
  if (job_.empty()) {
    const std::vector<std::string> names =
        NamesIn(directory_, /*folders=*/true);
    if (std::find(names.begin(), names.end(), job) != names.end()) {
      return absl::StrCat(directory_, "/", job);
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no job \"", job, "\" here; `ahactl job list` shows all"));
}

std::vector<v1::JobStatus> RunArchive::List() const {
  if (!job_.empty()) return {StatusOf(job_, directory_)};
  std::vector<v1::JobStatus> jobs;
  for (const std::string& name : NamesIn(directory_, /*folders=*/true)) {
    const std::string path = absl::StrCat(directory_, "/", name);
    std::error_code ignored;
    if (!fs::exists(path + "/job.yaml", ignored)) continue;
    jobs.push_back(StatusOf(name, path));
  }
  return jobs;
}

absl::StatusOr<std::vector<v1::RunFile>> RunArchive::Files(
    const std::string& job) const {
  AHA_ASSIGN_OR_RETURN(const std::string directory, DirectoryOf(job));
  std::vector<v1::RunFile> files;
  for (const std::string& name : ShownFiles(directory)) {
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
  const std::vector<std::string> names = ShownFiles(directory);
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
          ? kMostBytesOfAnswer
          : std::min(request.max_bytes(), kMostBytesOfAnswer);
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
