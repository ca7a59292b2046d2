// Writes the files of a run directory that the coordinator writes.
//
// Whole files are replaced atomically and durably.  Lines are appended by one
// write each, since `ahactl run` appends to events.jsonl too.  No file that is
// written here is read to continue a job (coordinator.db is), so a write that
// fails is reported to the caller and need not end the job: after an error a
// whole file has its old content, and the next line of a file of lines begins
// on a line of its own.
//
// Thread-compatible: callers lock.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file_system.h"

namespace aha::run {

// Takes one line without its newline; an error ends the iteration.
using TakeLine = std::function<absl::Status(const std::string& line)>;

class RunWriter {
 public:
  // Makes the directory if it is not there and holds its lock until
  // destruction.  FAILED_PRECONDITION: another coordinator holds it, or the
  // directory cannot be used.  UNAVAILABLE: a later attempt may succeed.
  // `flag` is the name of the option that gave `path`, for errors.
  static absl::StatusOr<std::unique_ptr<RunWriter>> Open(
      const std::string& path, absl::string_view flag = "--run-dir",
      FileSystem& files = RealFileSystem());
  ~RunWriter();
  RunWriter(const RunWriter&) = delete;
  RunWriter& operator=(const RunWriter&) = delete;

  const std::string& path() const { return path_; }  // Absolute.
  std::string File(absl::string_view name) const;

  // `name` is one of layout.h.
  absl::Status WriteWhole(absl::string_view name, absl::string_view text);
  absl::Status AppendLine(absl::string_view name, absl::string_view line);
  // A file that cannot be removed stays; the log says why.
  void Remove(absl::string_view name);

  // Appends to events.jsonl; a failure is logged only.
  void Event(absl::string_view event, absl::string_view text);

  // Makes metrics.jsonl hold the lines that `each` gives to its argument, and
  // no others: the file is cut where it first differs and the missing lines
  // are appended.  A file that is right is only read.  Neither the file nor
  // the lines are ever whole in memory.
  absl::Status MatchMetrics(
      const std::function<absl::Status(const TakeLine& take)>& each);

 private:
  RunWriter(std::string path, int lock_fd, FileSystem& files)
      : path_(std::move(path)), lock_fd_(lock_fd), files_(files) {}

  const std::string path_;
  const int lock_fd_;
  FileSystem& files_;
};

}  // namespace aha::run
