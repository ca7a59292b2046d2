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
#include "absl/types/span.h"
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

// Reads a regular file, front to back or at any place.  Thread-compatible.
class FileReader {
 public:
  // INVALID_ARGUMENT: it is not a regular file.  Waits for nobody, not even
  // for the writer of a pipe.
  static absl::StatusOr<FileReader> Open(const std::string& path);
  ~FileReader();
  FileReader(FileReader&& other) noexcept;
  FileReader& operator=(FileReader&&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // When it was opened.
  // Fills `data` wholly; DATA_LOSS at the end of the file.
  absl::Status Read(void* data, size_t size);
  // The same from byte `offset` on; Read goes on where it was.
  absl::Status ReadAt(uint64_t offset, void* data, size_t size) const;
  // What is left; more than `limit` bytes are INVALID_ARGUMENT.  Right for
  // files that grow and for those of /proc, whose size() is 0.
  absl::StatusOr<std::string> ReadToEnd(uint64_t limit);

 private:
  FileReader(int fd, std::string path, uint64_t size)
      : fd_(fd), path_(std::move(path)), size_(size) {}
  int fd_;
  std::string path_;
  uint64_t size_;
  uint64_t next_ = 0;  // Where Read goes on.
};

// The functions of file_system.h on the operating system's file system.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);
absl::Status WriteFileDurably(const std::string& path,
                              absl::string_view content);
absl::Status WriteFileDurably(const std::string& path,
                              absl::Span<const absl::string_view> pieces);
absl::Status AppendLine(const std::string& path, absl::string_view line);
// At most `limit` bytes; more are INVALID_ARGUMENT, as is what is no regular
// file.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          uint64_t limit = uint64_t{1} << 30);
// The same, but empty if there is no such file.
absl::StatusOr<std::string> ReadFileIfThere(const std::string& path,
                                            uint64_t limit);
// fsync of a file or directory that somebody else wrote.
absl::Status SyncPath(const std::string& path);
// Of several at once, so that the file system may commit them together.
absl::Status SyncAll(const std::vector<std::string>& paths);

}  // namespace aha
