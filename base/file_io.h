// Files that survive a power cut, and are hashed while they pass.
//
// Errors name the path and the system's reason; ENOSPC is RESOURCE_EXHAUSTED.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"

namespace aha {

// "what path: reason", with the code that fits `error` (an errno).
absl::Status FileError(absl::string_view what, const std::string& path,
                       int error);

// Writes a new file front to back.  Thread-compatible.
class FileWriter {
 public:
  static absl::StatusOr<FileWriter> Create(const std::string& path);
  ~FileWriter();
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;

  absl::Status Write(const void* data, size_t size);
  // Syncs and closes.  Without it the file's content is not durable.
  absl::Status Finish();
  // Closes only; for SyncAll later.
  absl::Status Close();

 private:
  FileWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

// Reads front to back.  Thread-compatible.
class FileReader {
 public:
  static absl::StatusOr<FileReader> Open(const std::string& path);
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;

  uint64_t size() const { return size_; }
  // Fills `data` wholly; DATA_LOSS at the end of the file.
  absl::Status Read(void* data, size_t size);

 private:
  FileReader(int fd, std::string path, uint64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}
  int fd_;
  std::string path_;
  uint64_t size_;
};

// Temporary file and rename: readers see the old or the new content whole.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);
// Temporary file, fsync, rename, fsync of the directory.
absl::Status WriteFileDurably(const std::string& path,
                              absl::string_view content);
// At most `limit` bytes; a larger file is an error.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          uint64_t limit);
// fsync of a file or directory that somebody else wrote.
absl::Status SyncPath(const std::string& path);
// Of several at once, so that the file system may commit them together.
absl::Status SyncAll(const std::vector<std::string>& paths);

}  // namespace aha
