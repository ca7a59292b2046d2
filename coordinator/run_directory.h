// The files of a run directory that the coordinator writes
// (docs/design.md section 10).
//
// Whole files are replaced atomically and durably; lines are appended by one
// write each, since ahactl appends to events.jsonl too.  A failed write is
// given back, never fatal by itself: none of these files is read to continue a
// job (coordinator.db is).
//
// Thread-compatible: callers lock.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace aha::coordinator {

class RunDirectory {
 public:
  // Makes the directory, if it is not there, and locks it until destruction.
  // FAILED_PRECONDITION: another coordinator works in it.  `flag` named it.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Open(
      const std::string& path, absl::string_view flag = "--run-dir");
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::string& path() const { return path_; }  // Absolute.
  std::string File(absl::string_view name) const;

  absl::Status WriteWhole(absl::string_view name, absl::string_view text);
  absl::Status AppendLine(absl::string_view name, absl::string_view line);
  void Remove(absl::string_view name);

  // A line of events.jsonl: {"time": ..., "event": event, "text": text}.
  void Event(absl::string_view event, absl::string_view text);

 private:
  RunDirectory(std::string path, int lock_fd)
      : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

}  // namespace aha::coordinator
